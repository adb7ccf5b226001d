import assert from "node:assert/strict"
import { inspect } from "node:util"
import {
  type BridgeConfig,
  type FabricToKafka,
  type KafkaToFabric,
  parseBridgeConfig,
} from "../../../bridge-kafka/config/bridge-config.ts"
import { Variables } from "../../../bridge-kafka/config/variables.ts"
import { HeddleError } from "../../../core/errors.ts"
import { EXAMPLE } from "./example.ts"
import { REGISTRIES } from "./registries.ts"

type Json = Record<string, unknown>

const ENVIRONMENT = { KPW: "hunter2", GROUP: "g-1" }

function parse(input: unknown): BridgeConfig {
  return parseBridgeConfig(input, { registries: REGISTRIES, variables: new Variables(ENVIRONMENT) })
}

function mistakes(input: unknown): string {
  try {
    parse(input)
  } catch (error) {
    assert.ok(error instanceof HeddleError && error.code === "ERR_CONFIG", String(error))
    return error.message
  }
  return assert.fail("it was accepted")
}

const sinkConfig = { "connector.class": "FabricToKafka", subjects: "a.>" }
const sourceConfig = { "connector.class": "KafkaToFabric", topics: "t" }
const spool = { dir: "/tmp/never-made" }

function withConnector(config: Json, more: Json = {}): Json {
  return { name: "b", kafka: { "bootstrap.servers": "k:9092" }, spool, connectors: [{ name: "c", config }], ...more }
}

const sink = (more: Json = {}): FabricToKafka =>
  parse(withConnector({ ...sinkConfig, ...more })).connectors[0] as FabricToKafka
const source = (more: Json = {}): KafkaToFabric =>
  parse(withConnector({ ...sourceConfig, ...more })).connectors[0] as KafkaToFabric
const sinkMistakes = (more: Json): string => mistakes(withConnector({ ...sinkConfig, ...more }))
const sourceMistakes = (more: Json): string => mistakes(withConnector({ ...sourceConfig, ...more }))

function assertFrozen(value: unknown, path: string): void {
  if (typeof value !== "object" || value === null) return
  assert.ok(Object.isFrozen(value), `${path} can be changed`)
  for (const [name, inner] of Object.entries(value)) assertFrozen(inner, `${path}.${name}`)
}

describe("Bridge configuration", () => {
  it("reads the example of the design", () => {
    const config = parse(JSON.parse(EXAMPLE))
    assert.equal(config.name, "orders")
    assert.deepEqual(config.fabric, {
      name: "default",
      id: "plant-a",
      connect: ["tcp://127.0.0.1:7000"],
      discovery: [],
      listen: null,
      advertise: null,
    })
    assert.equal(config.kafka?.["sasl.password"], "hunter2")
    assert.deepEqual(
      [config.spool?.maxBytes, config.spool?.fsync, config.spool?.segmentBytes],
      [2 ** 33, { mode: "interval", interval: 5 }, 2 ** 26],
    )
    const [out, back] = config.connectors as [FabricToKafka, KafkaToFabric]
    assert.equal(out.class, "FabricToKafka")
    assert.deepEqual(out.subjects, ["orders.>"])
    assert.deepEqual(out.routes, [
      { subjects: ["orders.>"], topic: "orders", key: "subject", partition: "key", headers: {}, continue: false },
    ])
    assert.deepEqual([out.guarantee, out.shards, out.coordination], ["exactly-once", 16, "group"])
    assert.deepEqual([out.producer.compressionType, out.producer.lingerMs, out.producer.acks], ["lz4", 5, "all"])
    assert.deepEqual(out.transforms, [
      { alias: "mask", type: "MaskField$Value", settings: { fields: ["card"], replacement: null }, predicate: null },
    ])
    assert.equal(out.errorsDeadletterqueueTopicName, "orders.dlq")
    assert.equal(back.class, "KafkaToFabric")
    assert.equal(back.subject, "${header.hd.subject:-prices.${key}}")
    assert.deepEqual([back.groupId, back.consumer.groupProtocol, back.ackTimeoutMs], ["fb-orders", "consumer", 5000])
    assert.deepEqual(config.control, { http: null })
    assertFrozen(config, "config")
  })

  it("shows no secret, however it is printed", () => {
    const input = JSON.parse(EXAMPLE) as Json
    const [first] = input.connectors as { config: Json }[]
    Object.assign(first.config, {
      "value.converter": "avro",
      "value.converter.schema.registry.url": "http://r",
      "value.converter.schema.registry.basic.auth.user.info": "me:sesame",
      "errors.deadletterqueue.subject": "${env:KPW}",
    })
    const config = parse(input)
    const [out] = config.connectors as [FabricToKafka]
    assert.equal(out.valueConverter.settings.schemaRegistryBasicAuthUserInfo, "me:sesame")
    assert.equal(out.errorsDeadletterqueueSubject, "hunter2")
    for (const text of [
      inspect(config, { depth: 9 }),
      JSON.stringify(config),
      inspect(out.valueConverter),
      `${JSON.stringify(out.valueConverter.settings)}`,
      JSON.stringify(config.kafka),
    ]) {
      assert.doesNotMatch(text, /sesame|hunter2/)
    }
    assert.match(JSON.stringify(config.kafka), /"sasl.password":"\*{8}"/)
  })

  it("names all mistakes at once, each with its path", () => {
    const text = mistakes({
      nam: "x",
      fabric: { name: "f", conect: [] },
      kafka: { "sasl.password": "${env:MISSING}" },
      spool: { dir: "/x", mode: "alway", "max.bytes": "8 GiBB" },
      connectors: [
        { name: "a", config: { ...sinkConfig, shards: 0, "errors.tolerence": "all" } },
        { name: "a", config: { ...sourceConfig, "errors.tolerance": "some" } },
        { config: {} },
      ],
    })
    for (const expected of [
      /^\d+ mistakes in the configuration:$/m,
      /^ {2}name: is missing: /m,
      /^ {2}nam: is not known; did you mean "name"\?$/m,
      /^ {2}fabric\.conect: is not known; did you mean "connect"\?$/m,
      /^ {2}kafka\.sasl\.password: the environment variable MISSING is not set$/m,
      /^ {2}kafka\.bootstrap\.servers: is missing/m,
      /^ {2}spool\.mode: is "alway", but must be one of off, overflow, always; did you mean "always"\?$/m,
      /^ {2}spool\.max\.bytes: is "8 GiBB", but must be a number of bytes such as/m,
      /^ {2}connectors\[0\]\.config\.shards: is 0, but must be at least 1$/m,
      /^ {2}connectors\[0\]\.config\.errors\.tolerence: is not known; did you mean "errors\.tolerance"\?$/m,
      /^ {2}connectors\[1\]\.config\.errors\.tolerance: is "some", but must be one of none, all$/m,
      /^ {2}connectors\[1\]\.name: is that of another connector$/m,
      /^ {2}connectors\[2\]\.name: is missing/m,
      /^ {2}connectors\[2\]\.config\.connector\.class: is missing/m,
    ]) {
      assert.match(text, expected)
    }
  })

  it("never says a password that is wrong", () => {
    const input = withConnector({
      ...sinkConfig,
      "value.converter": "avro",
      "value.converter.schema.registry.basic.auth.user.info": ["me:sesame"],
    })
    const text = mistakes(input)
    assert.match(text, /user\.info: is \*{8}, but must be text/)
    assert.doesNotMatch(text, /sesame/)
    const shards = sinkMistakes({ shards: "${env:KPW}" })
    assert.match(shards, /shards: is "\$\{env:KPW\}", but must be a whole number/)
    assert.doesNotMatch(shards, /hunter2/)
    const places: readonly Json[] = [
      { key: "${env:KPW}" },
      { topic: "${env:KPW}/" },
      { routes: [{ subjects: "a", key: "${env:KPW}" }] },
      { routes: [{ subjects: "a", topic: "${env:KPW}/" }] },
      { subjects: "a..${env:KPW}" },
      { "errors.tolerance": "${env:KPW}" },
      { "value.converter": "${env:KPW}" },
      { transforms: "${env:KPW}!" },
      { transforms: "a", "transforms.a.type": "${env:KPW}" },
      { transforms: "a", "transforms.a.type": "Filter", "transforms.a.predicate": "${env:KPW}" },
      { "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "${env:KPW}/" },
    ]
    for (const place of places) assert.doesNotMatch(sinkMistakes(place), /hunter2/, JSON.stringify(place))
  })

  it("survives any JSON", () => {
    const shapes = [
      null,
      [],
      "x",
      5,
      {},
      [[]],
      [null],
      { name: {} },
      { name: "a", config: [] },
      { name: "a", config: null },
    ]
    for (const shape of shapes) {
      mistakes(shape)
      mistakes({ name: "b", connectors: shape })
      mistakes({ name: "b", connectors: [shape] })
      for (const part of ["fabric", "kafka", "spool", "control"]) {
        tolerant(withConnector({ ...sinkConfig, guarantee: "exactly-once" }, { [part]: shape }))
      }
      for (const name of [
        "subjects",
        "routes",
        "transforms",
        "value.converter",
        "errors.tolerance",
        "producer.override.acks",
      ]) {
        tolerant(withConnector({ ...sinkConfig, [name]: shape }))
      }
    }
    mistakes(JSON.parse('{"__proto__": {"name": "x"}, "constructor": 1}'))
    assert.equal(({} as Json).name, undefined)
  })

  it("refuses what Connect has and this bridge has not, with the reason", () => {
    assert.match(sinkMistakes({ "tasks.max": 1 }), /config\.tasks\.max: is not offered: work is divided by shards/)
    assert.match(
      sourceMistakes({ "topics.regex": "a.*" }),
      /topics\.regex: is not offered: topics are named one by one/,
    )
    assert.match(sinkMistakes({ "producer.override.transactional.id": "x" }), /is not offered: the bridge names it/)
    assert.match(sourceMistakes({ "consumer.override.auto.offset.reset": "earliest" }), /write start/)
    assert.match(sinkMistakes({ "tasks.min": null }), /tasks\.min: is not known/)
    assert.match(sinkMistakes({ errors: { tolerance: "all" } }), /errors: is not known; write "errors\.…"/)
  })

  it("takes the name within the settings if it is the same", () => {
    assert.equal(sink({ name: "c" }).name, "c")
    assert.match(sinkMistakes({ name: "d" }), /config\.name: is not the name/)
  })

  describe("sinks", () => {
    it("have defaults for all but subjects", () => {
      const made = sink()
      assert.deepEqual(made.routes, [
        { subjects: ["a.>"], topic: "${token[0]}", key: "subject", partition: "key", headers: {}, continue: false },
      ])
      assert.deepEqual([made.guarantee, made.shards, made.dedupIds], ["at-least-once", 16, 100_000])
      assert.deepEqual([made.keyConverter, made.valueConverter.type], [{ type: "bytes", settings: {} }, "bytes"])
      assert.match(mistakes(withConnector({ "connector.class": "FabricToKafka" })), /subjects: is missing/)
    })

    it("try routes in order, and the connector's own subjects last", () => {
      const routes = [
        {
          subjects: ["a.b", "a.c.*"],
          topic: "t-${token[0]}",
          key: "token:1",
          headers: { from: "${subject}" },
          continue: true,
        },
        { subjects: "a.d", partition: 3 },
      ]
      const expected = [
        {
          subjects: ["a.b", "a.c.*"],
          topic: "t-${token[0]}",
          key: "token:1",
          partition: "key",
          headers: { from: "${subject}" },
          continue: true,
        },
        { subjects: ["a.d"], topic: "all", key: "subject", partition: "3", headers: {}, continue: false },
        { subjects: ["a.>"], topic: "all", key: "subject", partition: "key", headers: {}, continue: false },
      ]
      assert.deepEqual(sink({ routes, topic: "all" }).routes, expected)
      assert.deepEqual(sink({ routes: JSON.stringify(routes), topic: "all" }).routes, expected)
      assert.deepEqual(sink({ routes, topic: "all" }).subjects, ["a.b", "a.c.*", "a.d", "a.>"])
      const text = sinkMistakes({ routes: [{ subjects: "a..b", keys: 1 }, { topic: "x" }] })
      assert.match(text, /config\.routes\[0\]\.subjects: is "a\.\.b", but .*cannot be/)
      assert.match(text, /config\.routes\[0\]\.keys: is not known; did you mean "key"\?/)
      assert.match(text, /config\.routes\[1\]\.subjects: is missing/)
      assert.match(sinkMistakes({ routes: "[" }), /routes: must be a list/)
    })

    it("have templates and keys that make sense", () => {
      const text = sinkMistakes({
        shards: 0,
        routes: [
          { subjects: "a.*", topic: "$2" },
          { subjects: "b", key: "tokn:1" },
        ],
      })
      assert.match(text, /shards: is 0/)
      assert.match(text, /config\.routes\[0\]: The template .*\$2 is missing/)
      assert.match(text, /config\.routes\[1\]\.key: is "tokn:1", but cannot be: .*"tokn" is unknown/)
      assert.match(sinkMistakes({ topic: "${token[1]}" }), /config\.topic: .*topic\.max/)
      assert.equal(sink({ topic: "${token[1]}", "topic.max": 100 }).topicMax, 100)
      assert.match(sinkMistakes({ key: "x", topic: "${tokens}" }), /key: is "x"[\s\S]*config\.topic: The template/)
      assert.match(sinkMistakes({ routes: [{ subjects: "a", partition: "x" }] }), /routes\[0\]: .*partition/)
      assert.match(sourceMistakes({ subject: "a.${token[1]}" }), /config\.subject: is .*is not known at this point/)
    })

    it("pass unknown settings of topics on, and want partitions with them", () => {
      const made = sink({
        "topic.creation.default.partitions": "3",
        "topic.creation.default.cleanup.policy": "compact",
      })
      assert.deepEqual(made.topicConfig, { "cleanup.policy": "compact" })
      assert.equal(made.topicCreationDefaultPartitions, 3)
      assert.match(
        sinkMistakes({ "topic.creation.default.cleanup.policy": "compact" }),
        /without topic\.creation\.default\.partitions/,
      )
    })

    it("check what belongs together", () => {
      const exact = { guarantee: "exactly-once" }
      assert.match(sinkMistakes({ ...exact, "producer.override.acks": 1 }), /acks: must be all/)
      assert.match(
        sinkMistakes({ ...exact, "producer.override.enable.idempotence": false }),
        /idempotence: must be true/,
      )
      assert.match(
        sinkMistakes({ "producer.override.acks": "0" }),
        /needs producer\.override\.enable\.idempotence: false/,
      )
      assert.equal(
        sink({ "producer.override.acks": "0", "producer.override.enable.idempotence": false }).producer.acks,
        "0",
      )
      assert.match(
        sinkMistakes({ ...exact, "producer.override.delivery.timeout.ms": "31s" }),
        /must not be longer than transaction/,
      )
      assert.match(
        mistakes(withConnector({ ...sinkConfig, ...exact }, { spool: { ...spool, mode: "overflow" } })),
        /needs "spool" with mode "always"/,
      )
      assert.match(
        sinkMistakes({ "errors.deadletterqueue.topic.name": "d" }),
        /gets nothing unless errors\.tolerance is "all"/,
      )
      assert.match(
        sinkMistakes({ "errors.tolerance": "all", "errors.deadletterqueue.subject": "a.dead" }),
        /errors\.deadletterqueue\.subject.*is matched by a\.>: notices would be mirrored/,
      )
      assert.match(
        sinkMistakes({ "errors.retry.delay.min.ms": "2m" }),
        /must not be longer than errors\.retry\.delay\.max\.ms/,
      )
      assert.match(
        mistakes(withConnector(sinkConfig, { spool: { ...spool, "segment.bytes": "8GiB" } })),
        /must be at most 1GiB/,
      )
    })

    it("work without Kafka when there is a spool", () => {
      const config = parse(withConnector(sinkConfig, { kafka: null }))
      assert.equal(config.kafka, null)
      assert.equal((config.connectors[0] as FabricToKafka).coordination, "none")
      assert.match(mistakes(withConnector(sinkConfig, { kafka: null, spool: null })), /the spool is the store/)
      assert.match(mistakes(withConnector(sourceConfig, { kafka: null })), /KafkaToFabric needs "kafka"/)
    })
  })

  describe("sources", () => {
    it("have a group of their own", () => {
      assert.equal(source().groupId, "hd.b.c")
      assert.equal(source({ "group.id": "${env:GROUP}" }).groupId, "g-1")
      assert.equal(source({ topics: ["t", "u"] }).topics.length, 2)
    })

    it("refuse topics that Kafka has not, and their own dead letters", () => {
      assert.match(sourceMistakes({ topics: "a/b" }), /"a\/b" must be 1 to 249/)
      assert.match(
        sourceMistakes({ "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "t" }),
        /is one of the topics read/,
      )
    })
  })

  it("reads the port of the control plane", () => {
    assert.deepEqual(parse(withConnector(sinkConfig, { control: { http: {} } })).control.http, {
      host: "127.0.0.1",
      port: 8083,
      token: null,
    })
    assert.deepEqual(parse(withConnector(sinkConfig, { control: { http: { port: "0" } } })).control.http?.port, 0)
    assert.match(
      mistakes(withConnector(sinkConfig, { control: { http: { port: 65536 } } })),
      /control\.http\.port: is 65536/,
    )
  })

  it("lets others reach the control plane with a token only, and never says it", () => {
    const http = (more: object) => withConnector(sinkConfig, { control: { http: more } })
    for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
      assert.equal(parse(http({ host })).control.http?.host, host)
    for (const host of ["0.0.0.0", "::", "10.0.0.1", "bridge.example", "127.0.0.1.example", "128.0.0.1"]) {
      assert.match(mistakes(http({ host })), /control\.http\.host: can be reached .* set token/)
      const token = "0123456789abcdef=="
      const { control } = parse(http({ host, token }))
      assert.equal(control.http?.token, token)
      assert.doesNotMatch(JSON.stringify(control), /0123456789/)
    }
    for (const token of ["too-short", "with space 0123456789", "0123456789=abcdef0", "x".repeat(600)]) {
      const said = mistakes(http({ token }))
      assert.match(said, /control\.http\.token: is .*must be 16 to 512/)
      assert.ok(!said.includes(token))
    }
  })
})

/** Whatever it is, it is accepted or refused with ERR_CONFIG. */
function tolerant(input: unknown): void {
  try {
    parse(input)
  } catch (error) {
    if (!(error instanceof HeddleError && error.code === "ERR_CONFIG")) throw error
  }
}
