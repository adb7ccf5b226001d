import { type ConfigKey, type ConfigValue, camelCase } from "./keys.ts"
import type { Section } from "./section.ts"
import { didYouMean } from "./suggestion.ts"

/** A transform, predicate or converter, as far as configuration knows it. */
export interface Configurable {
  /** As users write it: "MaskField$Value". */
  readonly name: string
  /** Other names for the same: "org.apache.kafka.connect.transforms.MaskField$Value". */
  readonly aliases?: readonly string[]
  readonly doc?: string
  readonly keys: readonly ConfigKey[]
}

export interface Registries {
  readonly transforms: readonly Configurable[]
  readonly predicates: readonly Configurable[]
  readonly converters: readonly Configurable[]
}

/** Which class, and its settings by camelCase names. Plain data: two can be compared. */
export interface Choice {
  /** The class's own name, also when an alias was written. */
  readonly type: string
  readonly settings: Readonly<Record<string, ConfigValue>>
}

export interface PredicateChoice extends Choice {
  readonly alias: string
  readonly negate: boolean
}

export interface TransformChoice extends Choice {
  /** The user's name for this step. */
  readonly alias: string
  readonly predicate: PredicateChoice | null
}

/** More steps than this are a program, and belong in a module. */
const MOST_STEPS = 64

/** `value.converter` and the settings after it: `value.converter.schema.registry.url`. */
export function converter(section: Section, name: string, known: readonly Configurable[]): Choice {
  const key = { name, type: "class", default: "bytes", doc: "" } as const satisfies ConfigKey
  const { [camelCase(name)]: type } = section.values([key])
  return choice(section, name, String(type), `${name}.`, known, "converter")
}

/** `transforms: "a,b"` with `transforms.a.type`, `transforms.a.predicate`, `transforms.a.negate` and the class's own settings. */
export function chain(section: Section, registries: Registries): readonly TransformChoice[] {
  const predicates = new Map(
    aliases(section, "predicates").map(alias => [
      alias,
      typed(section, `predicates.${alias}.`, registries.predicates, "predicate"),
    ]),
  )
  const steps = aliases(section, "transforms").map(alias => {
    const prefix = `transforms.${alias}.`
    const { predicate, negate } = section.settings(CONDITION, prefix)
    const step = typed(section, prefix, registries.transforms, "transform")
    return Object.freeze({ alias, ...step, predicate: condition(section, prefix, predicate, negate, predicates) })
  })
  return Object.freeze(steps)
}

/** Settings that every transform has besides its own. */
export const CONDITION = [
  {
    name: "predicate",
    type: "string",
    doc: "Name of an entry of `predicates`: the step is for records that it is true of.",
  },
  { name: "negate", type: "boolean", default: false, doc: "The step is for the other records." },
] as const satisfies readonly ConfigKey[]

function aliases(section: Section, name: string): readonly string[] {
  const key = { name, type: "list", default: [], max: MOST_STEPS, doc: "" } as const satisfies ConfigKey
  const found = (section.values([key])[name] ?? []) as readonly string[]
  const wrong = found.find(alias => !ALIAS.test(alias))
  if (wrong !== undefined)
    section.complain(name, section.untold(name) ?? `"${wrong}" must be of letters, digits, - and _`)
  const twice = found.find((alias, index) => found.indexOf(alias) < index)
  if (twice !== undefined) section.complain(name, section.untold(name) ?? `"${twice}" comes twice`)
  return [...new Set(found)].filter(alias => ALIAS.test(alias))
}

/** A dot would make it two parts of a name. */
const ALIAS = /^[A-Za-z0-9_-]+$/

function typed(section: Section, prefix: string, known: readonly Configurable[], what: string): Choice {
  const [key] = TYPE
  const { type } = section.settings([{ ...key, doc: `write the ${what}'s class.` }], prefix)
  return choice(section, `${prefix}type`, type, prefix, known, what)
}

const TYPE = [{ name: "type", type: "class", required: true, doc: "" }] as const satisfies readonly ConfigKey[]

function choice(
  section: Section,
  name: string,
  type: string | null,
  prefix: string,
  known: readonly Configurable[],
  what: string,
): Choice {
  const found = known.find(one => one.name === type || one.aliases?.includes(type ?? "") === true)
  if (found !== undefined) return Object.freeze({ type: found.name, settings: section.values(found.keys, prefix) })
  // Its settings cannot be judged then, and would only bury the one mistake that there is.
  section.properties(prefix)
  if (type !== null) {
    const names = known.map(one => one.name)
    const written = section.written(name)
    section.complain(
      name,
      `is "${written}", which is no ${what}${didYouMean(written, names)} (known: ${names.join(", ")})`,
    )
  }
  return Object.freeze({ type: type ?? "", settings: Object.freeze({}) })
}

function condition(
  section: Section,
  prefix: string,
  alias: string | null,
  negate: boolean,
  predicates: ReadonlyMap<string, Choice>,
): PredicateChoice | null {
  if (alias === null) {
    if (negate) section.complain(`${prefix}negate`, "means nothing without a predicate")
    return null
  }
  const found = predicates.get(alias)
  if (found !== undefined) return Object.freeze({ alias, ...found, negate })
  const name = `${prefix}predicate`
  const written = section.written(name)
  section.complain(name, `is "${written}", which is not in "predicates"${didYouMean(written, predicates.keys())}`)
  return null
}
