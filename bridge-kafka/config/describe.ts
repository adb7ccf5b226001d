import { CLASS_KEYS } from "./bridge-config.ts"
import { BRIDGE_KEYS, FABRIC_KEYS, HTTP_KEYS, SPOOL_KEYS } from "./bridge-keys.ts"
import { CONDITION, type Configurable, type Registries } from "./classes.ts"
import { ERROR_KEYS } from "./error-keys.ts"
import type { ConfigKey } from "./keys.ts"
import { PRODUCER_KEYS, ROUTE_KEYS, SINK_KEYS } from "./sink-keys.ts"
import { CONSUMER_KEYS, SOURCE_KEYS } from "./source-keys.ts"
import { formatBytes, formatDuration } from "./units.ts"

/** One setting, as people read of it. */
export interface KeyRow {
  readonly name: string
  readonly type: string
  /** "required", the default as it would be written, or "" when there is none. */
  readonly default: string
  /** Markdown. */
  readonly doc: string
}

export interface KeyGroup {
  readonly title: string
  /** Markdown; may be empty. */
  readonly intro: string
  readonly rows: readonly KeyRow[]
}

/** All settings, in the order of the file. With `registries` also those of transforms, predicates and converters. */
export function describeKeys(registries?: Registries): readonly KeyGroup[] {
  const connector = "In `connectors[].config` of a connector of class"
  return [
    group("The bridge", "At the top of the file.", BRIDGE_KEYS),
    group("fabric", "How the bridge joins the fabric.", FABRIC_KEYS),
    {
      title: "kafka",
      intro:
        "Properties of Kafka's clients by their own names: `bootstrap.servers`, `security.protocol`, `sasl.mechanism`, `sasl.username`, `sasl.password`, `ssl.ca` and others. Names that the driver does not know are refused. Without this object there is no Kafka: the spool is the store, and `FabricToKafka` records subjects there.",
      rows: [],
    },
    group("spool", "The log on disk. Without this object there is none.", SPOOL_KEYS),
    group(
      "control.http",
      "Kafka Connect's REST paths, and `/metrics`. Without this object there is no port.",
      HTTP_KEYS,
    ),
    group("Every connector", "In `connectors[].config`.", [...CLASS_KEYS, ...CONVERTER_KEYS, ...CHAIN_KEYS]),
    group("FabricToKafka", `${connector} \`FabricToKafka\`.`, [...SINK_KEYS, ROUTES, ...ERROR_KEYS]),
    group("Entries of routes", "Tried in order, the first that matches wins.", [...ROUTE_KEYS, HEADERS]),
    group("producer.override.", `${connector} \`FabricToKafka\`: names of Kafka's producer.`, PRODUCER_KEYS),
    group("KafkaToFabric", `${connector} \`KafkaToFabric\`.`, [...SOURCE_KEYS, ...ERROR_KEYS]),
    group("consumer.override.", `${connector} \`KafkaToFabric\`: names of Kafka's consumer.`, CONSUMER_KEYS),
    ...(registries === undefined ? [] : classes(registries)),
  ]
}

const CONVERTER_KEYS: readonly ConfigKey[] = ["value", "key"].map(half => ({
  name: `${half}.converter`,
  type: "class",
  default: "bytes",
  doc: `How the ${half} is turned into what Kafka stores, and back; its own settings follow: \`${half}.converter.schema.registry.url\`.`,
}))

const CHAIN_KEYS: readonly ConfigKey[] = [
  {
    name: "transforms",
    type: "list",
    doc: "Names of steps, in order. Of each: `transforms.NAME.type`, its settings, and those below.",
  },
  ...CONDITION.map(key => ({ ...key, name: `transforms.NAME.${key.name}` })),
  { name: "predicates", type: "list", doc: "Names of conditions. Of each: `predicates.NAME.type` and its settings." },
]

const ROUTES: ConfigKey = {
  name: "routes",
  type: "list",
  doc: "Objects, or the same as JSON text: see below.",
}

const HEADERS: ConfigKey = {
  name: "headers",
  type: "string",
  doc: "An object: templates of headers to add, by name.",
}

function group(title: string, intro: string, keys: readonly ConfigKey[]): KeyGroup {
  return { title, intro, rows: keys.map(row) }
}

function row(key: ConfigKey): KeyRow {
  return {
    name: key.name,
    type: key.type,
    default: key.required === true ? "required" : defaultOf(key),
    doc: docOf(key),
  }
}

function defaultOf(key: ConfigKey): string {
  const { default: value } = key
  if (value === undefined) return ""
  if (typeof value === "number" && key.type === "bytes") return formatBytes(value)
  if (typeof value === "number" && key.type === "duration") return formatDuration(value)
  return Array.isArray(value) ? value.join(",") : value === "" ? '""' : String(value)
}

/** With the values, where the words do not name them all. */
function docOf({ doc, values }: ConfigKey): string {
  const unsaid = values?.some(value => !doc.includes(`\`${value}\``)) === true
  return unsaid ? `${doc} One of ${values?.map(value => `\`${value}\``).join(", ")}.` : doc
}

function classes({ transforms, predicates, converters }: Registries): KeyGroup[] {
  const of = (what: string, all: readonly Configurable[]): KeyGroup[] => {
    // $Key and $Value are two classes with the same words.
    const known = new Map<string, { names: string[]; one: Configurable }>()
    for (const one of all) {
      const base = one.name.replace(/\$(?:Key|Value)$/, "")
      known.set(base, { names: [...(known.get(base)?.names ?? []), one.name], one })
    }
    return [...known.values()].map(({ names, one }) => group(`${what} ${names.join(", ")}`, one.doc ?? "", one.keys))
  }
  return [...of("Transform", transforms), ...of("Predicate", predicates), ...of("Converter", converters)]
}

/** For a terminal: `heddle bridge --help keys`. `filter`: only names that contain it. */
export function keysText(registries?: Registries, filter = ""): string {
  const lines: string[] = []
  for (const { title, rows } of describeKeys(registries)) {
    const wanted = rows.filter(({ name }) => name.includes(filter))
    if (wanted.length === 0) continue
    lines.push(title)
    for (const { name, type, default: value, doc } of wanted) {
      const note = value === "" || value === "required" ? value : `default ${value}`
      lines.push(`  ${name} (${[type, note].filter(part => part !== "").join(", ")})`)
      lines.push(...wrapped(doc.replaceAll("`", ""), 100).map(line => `      ${line}`))
    }
    lines.push("")
  }
  return lines.join("\n")
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [""]
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1]
    if (last !== "" && last.length + word.length >= width) lines.push(word)
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`
  }
  return lines
}

/** The page docs/bridge-config.md; a test writes it. */
export function configPage(registries: Registries): string {
  const parts = describeKeys(registries).map(({ title, intro, rows }) => {
    const table = rows.map(({ name, type, default: value, doc }) => {
      const shown = value === "" || value === "required" ? value : `\`${value}\``
      return `| \`${name}\` | ${type} | ${shown} | ${cell(doc)} |`
    })
    const head = ["| name | type | default | |", "|---|---|---|---|"]
    return [`## ${title}`, intro, table.length === 0 ? "" : [...head, ...table].join("\n")]
      .filter(part => part !== "")
      .join("\n\n")
  })
  return `${[INTRO, ...parts].join("\n\n")}\n`
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ")
}

const INTRO = `# Configuration of the Kafka bridge

<!-- Made from bridge-kafka/config; HEDDLE_WRITE_DOCS=1 with the tests writes it anew. -->

A JSON file (RFC 8259, without comments): \`heddle bridge --config FILE\`. Names are those of Kafka Connect, where it has them.
A name that is not known is an error, and so is a name that comes twice. All mistakes are reported at once, each with its path.

Values may be written as JSON numbers and booleans or as text. \`list\`: an array, or text with commas between. \`bytes\`: a number, or
\`64KiB\`, \`8GiB\` (1,024), \`10MB\` (1,000). \`duration\`: milliseconds, or \`5ms\`, \`30s\`, \`10m\`, \`1h\`, \`7d\`. \`password\`: text that is never printed.

\`\${env:NAME}\` in a text stands for a variable of the environment, \`\${file:/path:key}\` for an entry of a file of Java properties
(a relative path counts from the folder of the configuration). Both are filled in when the file is read; one that is missing is
an error. Other \`\${…}\` belong to templates; there \`$$\` is a dollar sign.`
