import assert from "node:assert/strict"
import { type FabricToKafka, parseBridgeConfig } from "../../../bridge-kafka/config/bridge-config.ts"
import type { Registries } from "../../../bridge-kafka/config/classes.ts"
import { sinkSettings } from "../../../bridge-kafka/config/sink-settings.ts"
import { Variables } from "../../../bridge-kafka/config/variables.ts"
import { CONVERTERS } from "../../../bridge-kafka/converters/converters.ts"
import { SINK_DEFAULTS } from "../../../bridge-kafka/sink/settings.ts"
import { PREDICATES, TRANSFORMS } from "../../../bridge-kafka/transforms/registry.ts"
import { HeddleError } from "../../../core/errors.ts"
import { type Random, seeded } from "../../support/random.ts"
import { EXAMPLE } from "./example.ts"

type Json = Record<string, unknown>

const REAL: Registries = { transforms: TRANSFORMS, predicates: PREDICATES, converters: CONVERTERS }
const parse = (input: unknown) =>
  parseBridgeConfig(input, { registries: REAL, variables: new Variables({ KPW: "hunter2" }) })

describe("Configuration with the classes there are", () => {
  it("reads the example of the design", () => {
    const [out] = parse(JSON.parse(EXAMPLE)).connectors as [FabricToKafka]
    assert.deepEqual(
      out.transforms.map(step => step.type),
      ["MaskField$Value"],
    )
  })

  it("knows every class with defaults that parse", () => {
    const sink = (more: Json) =>
      parse({
        name: "b",
        kafka: { "bootstrap.servers": "k" },
        connectors: [{ name: "c", config: { "connector.class": "FabricToKafka", subjects: "a", ...more } }],
      })
    const tried = (kind: string, name: string, input: Json): void => {
      try {
        sink(input)
      } catch (error) {
        // Settings without a default are missing; nothing else may be wrong.
        for (const line of (error as Error).message.split("\n").slice(1))
          assert.match(line, /: is missing: /, `${kind} ${name}: ${line}`)
      }
    }
    for (const one of TRANSFORMS.flatMap(({ name, aliases }) => [name, ...aliases]))
      tried("transform", one, { transforms: "t", "transforms.t.type": one })
    for (const one of PREDICATES.flatMap(({ name, aliases }) => [name, ...aliases]))
      tried("predicate", one, { predicates: "p", "predicates.p.type": one })
    for (const one of CONVERTERS.flatMap(({ name, aliases }) => [name, ...aliases]))
      tried("converter", one, { "value.converter": one })
  })

  it("tells a sink what it is to do, with the sink's own defaults", () => {
    const config = parse({
      name: "b",
      kafka: { "bootstrap.servers": "k" },
      spool: { dir: "/tmp/never-made" },
      connectors: [
        {
          name: "c",
          config: { "connector.class": "FabricToKafka", subjects: "a.>", "topic.prefix": "p.", topic: "t" },
        },
      ],
    })
    const settings = sinkSettings(config, config.connectors[0] as FabricToKafka, "default")
    const { producer, ...plain } = SINK_DEFAULTS
    for (const [name, value] of Object.entries(plain))
      assert.deepEqual(settings[name as keyof typeof plain], value, name)
    assert.deepEqual([settings.bridge, settings.connector, settings.routes[0].topic], ["b", "c", "p.t"])
    assert.deepEqual(settings.producer, {
      compression: "none",
      acks: -1,
      idempotent: true,
      transactionTimeout: 30_000,
      deadline: 30_000,
    })
  })

  it("does not say a secret that became a name", () => {
    const config = { "connector.class": "FabricToKafka", subjects: "a", transforms: "${env:KPW}" }
    const input = { name: "b", kafka: { "bootstrap.servers": "k" }, connectors: [{ name: "c", config }] }
    assert.throws(() => parse(input), /transforms\.\$\{env:KPW\}\.type: is missing/)
  })

  it("survives anything, and never says a secret", () =>
    seeded(random => {
      for (let run = 0; run < 500; run++) {
        const input: unknown = JSON.parse(EXAMPLE)
        for (let at = random.int(1, 4); at > 0; at--) damage(input, random)
        try {
          parse(input)
        } catch (error) {
          if (!(error instanceof HeddleError && error.code === "ERR_CONFIG")) throw error
          assert.doesNotMatch(error.message, /hunter2/)
        }
      }
    }))
})

const JUNK: readonly unknown[] = [
  null,
  0,
  -1,
  1e99,
  "",
  "x",
  "${env:KPW}",
  "${env:NO}",
  "${",
  true,
  [],
  [null],
  {},
  { a: 1 },
]

/** Replaces, removes or adds something somewhere. */
function damage(value: unknown, random: Random): void {
  if (typeof value !== "object" || value === null) return
  const names = Object.keys(value)
  if (names.length === 0) return
  const name = random.pick(names)
  const parent = value as Json
  if (typeof parent[name] === "object" && random.chance(0.8)) {
    damage(parent[name], random)
    return
  }
  const what = random.int(1, 3)
  if (what === 1) delete parent[name]
  else parent[what === 2 ? name : `${name}${random.pick([".x", "s", "$"])}`] = structuredClone(random.pick(JUNK))
}
