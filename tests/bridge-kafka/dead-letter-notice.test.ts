import assert from "node:assert/strict"
import { deadLetterHeaders } from "../../bridge-kafka/dead-letter.ts"
import { publishNotice } from "../../bridge-kafka/dead-letter-notice.ts"
import type { KafkaHeader } from "../../bridge-kafka/driver.ts"
import { KafkaError } from "../../bridge-kafka/errors.ts"
import { failureOf } from "../../bridge-kafka/failure.ts"
import type { Fabric, FabricMessage } from "../../index.ts"
import { overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { until } from "../support/wait.ts"

describe("errors.deadletterqueue.subject", () => {
  let bridge: Fabric
  let got: FabricMessage[]

  closesAfterEach()

  beforeEach(async () => {
    let person: Fabric
    ;[bridge, person] = await overTcp(2)
    got = []
    await person.subscribe("dead.orders", message => void got.push(message)).ready
  })

  function notify(value: Buffer | null, headers: readonly KafkaHeader[]): boolean {
    const record = { subject: "orders.a", topic: "", partition: -1, key: null, value, headers, timestamp: 1 }
    const failure = failureOf(new KafkaError("poison", "too large"), "KAFKA_PRODUCE")
    return publishNotice(bridge, "dead.orders", record, deadLetterHeaders(record, failure, { connector: "c", task: 3 }))
  }

  const header = ([name, text]: [string, string]): KafkaHeader => [name, Buffer.from(text)]

  it("publishes the dead letter: payload, headers, and what went wrong", async () => {
    assert.equal(
      notify(
        Buffer.from('{"a":1}'),
        (
          [
            ["mine", "1"],
            ["hd.codec", "json"],
          ] as const
        ).map(one => header([...one])),
      ),
      true,
    )
    await until(() => got.length === 1)
    const [{ data, headers }] = got
    assert.deepEqual(data, { a: 1 })
    assert.equal(headers.get("mine"), "1")
    assert.equal(headers.get("hd.subject"), "orders.a")
    assert.equal(headers.get("__connect.errors.connector.name"), "c")
    assert.equal(headers.get("__connect.errors.exception.message"), "too large")
  })

  it("cuts a long payload, and says how long it was; a tombstone has none", async () => {
    notify(Buffer.alloc(100_000, "x"), [header(["hd.codec", "json"])])
    notify(null, [])
    await until(() => got.length === 2)
    assert.deepEqual([got[0].size, got[0].encoding, got[0].headers.get("hd.cut")], [65_536, "bytes", "100000"])
    assert.deepEqual([got[1].size, got[1].encoding], [0, "none"])
  })

  it("says what went wrong also where the record's own headers cannot be those of a message", async () => {
    notify(Buffer.from("x"), [header(["ünicode", "1"])])
    notify(
      Buffer.from("x"),
      Array.from({ length: 100 }, (_, i) => header([`h${i}`, "1"])),
    )
    await until(() => got.length === 2)
    for (const { headers } of got) assert.equal(headers.get("__connect.errors.exception.message"), "too large")
  })

  it("never answers a notice with a notice", async () => {
    notify(Buffer.from("x"), [])
    await until(() => got.length === 1)
    const back = [...got[0].headers].map(([name, value]): KafkaHeader => [name, Buffer.from(value)])
    assert.equal(notify(Buffer.from("x"), back), false)
  })
})
