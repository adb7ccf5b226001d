import assert from "node:assert/strict"
import { type DurablePublisher, durable, durablePublish } from "../../../bridge-kafka/durable.ts"
import { slotOf } from "../../../bridge-kafka/mapping/partition.ts"
import { infoSubject } from "../../../bridge-kafka/sink/info.ts"
import { storeSubject } from "../../../bridge-kafka/sink/settings.ts"
import {
  decodeRequest,
  encodeReply,
  type StoreOutcome,
  type StoreRequest,
} from "../../../bridge-kafka/sink/store-protocol.ts"
import type { Fabric, Service } from "../../../index.ts"
import { overTcp } from "../../patterns/fabric/nodes.ts"
import { closesAfterEach } from "../../support/cleanup.ts"

const SHARDS = 2
const INFO = {
  bridge: "b",
  connectors: [{ name: "c", shards: SHARDS, subjects: ["orders.>"], spooled: true, guarantee: "exactly-once" }],
}
const STORED: StoreOutcome = { stored: true, duplicate: false, place: { topic: "t", partition: 0, offset: 5 } }

function refused(code: string, retryAfter = 0): StoreOutcome {
  return { stored: false, code, text: code, retryAfter }
}

describe("durablePublish", () => {
  let bridge: Fabric
  let client: Fabric
  let out: DurablePublisher
  let requests: StoreRequest[]

  closesAfterEach()

  beforeEach(async () => {
    ;[bridge, client] = await overTcp(2)
    out = durable(client, "b")
    requests = []
  })

  function serve(answer: (request: StoreRequest) => StoreOutcome[] | Promise<StoreOutcome[]>): Service[] {
    return [
      bridge.serve(infoSubject("b"), () => INFO),
      ...[0, 1].map(shard =>
        bridge.serve(storeSubject("b", "c", shard), async message => {
          const request = decodeRequest(message.bytes)
          for (const { subject } of request.messages) assert.equal(slotOf(Buffer.from(subject), SHARDS), shard)
          requests.push({
            ...request,
            messages: request.messages.map(one => ({ ...one, value: Buffer.from(one.value ?? "") })),
          })
          return encodeReply(await answer(request))
        }),
      ),
    ]
  }

  it("waits for a bridge, and sends what waits together, in order", async () => {
    const published = Promise.all(Array.from({ length: 100 }, (_, i) => out.publish("orders.a", i)))
    await new Promise(resolve => setImmediate(resolve))
    await Promise.all(serve(({ messages }) => messages.map(() => STORED)).map(one => one.ready))
    const results = await published
    assert.equal(requests.length, 1)
    assert.deepEqual(
      requests[0].messages.map(one => one.number),
      Array.from({ length: 100 }, (_, i) => i + 1),
    )
    assert.equal(new Set(results.map(one => one.id)).size, 100)
    assert.deepEqual([results[0].topic, results[0].partition, results[0].offset], ["t", 0, 5])
  })

  it("tries again what was moved, refused for want of room, or met an error, with the same numbers", async () => {
    let attempt = 0
    serve(({ messages }) => {
      attempt++
      if (attempt === 1) return messages.map(() => refused("MOVED"))
      if (attempt === 2) return messages.map((_, i) => (i === 0 ? STORED : refused("EBUSY", 5)))
      if (attempt === 3) throw new Error("something broke")
      return messages.map(() => STORED)
    })
    await Promise.all(["a", "b", "c"].map(value => out.publish("orders.a", value)))
    assert.deepEqual(
      requests.map(({ floor, messages }) => [floor, ...messages.map(one => one.number)]),
      [
        [1, 1, 2, 3],
        [1, 1, 2, 3],
        [2, 2, 3],
        [2, 2, 3],
      ],
    )
  })

  it("says unknown after its time, with the id to ask again by, and goes on", async () => {
    let answer: () => void = () => {}
    serve(({ messages }) =>
      messages[0].number === 1
        ? new Promise(resolve => {
            answer = () => resolve(messages.map(() => STORED))
          })
        : messages.map(() => STORED),
    )
    await assert.rejects(out.publish("orders.a", 1, { timeout: 300 }), (error: Error & { code: string }) => {
      assert.equal(error.code, "ETIMEDOUT")
      assert.match(error.message, /unknown whether it is stored; publish it again with the id ".+\/\d+\.\d\/1"/)
      return true
    })
    answer()
    assert.equal((await out.publish("orders.a", 2)).duplicate, false)
  })

  it("says so when nobody took it", async () => {
    await assert.rejects(out.publish("orders.a", 1, { timeout: 20 }), /no instance of the bridge b took it/)
  })

  it("refuses what no connector stores, and what the bridge refuses for good", async () => {
    serve(({ messages }) => messages.map(() => refused("ENOTSUP")))
    await assert.rejects(out.publish("other.a", 1), { code: "EINVAL" })
    await assert.rejects(out.publish("orders.a", 1), { code: "ENOTSUP" })
    await assert.rejects(out.publish("orders..a", 1), { code: "EINVAL" })
    await assert.rejects(out.publish("orders.a", 1, { ack: "written" as "stored" }), { code: "EINVAL" })
    assert.throws(() => durable(client, "b", { publisher: "spool:x" }), { code: "EINVAL" })
  })

  it("keeps its window, and turns away what is far beyond it", async () => {
    let most = 0
    serve(async ({ messages }) => {
      most = Math.max(most, messages.length)
      return messages.map(() => STORED)
    })
    const small = durable(client, "b", { maxInFlight: 3 })
    const publishing = Array.from({ length: 30 }, (_, i) => small.publish("orders.a", i))
    await assert.rejects(small.publish("orders.a", 1), { code: "EAGAIN" })
    await Promise.all(publishing)
    assert.ok(most <= 3)
    await small.close()
    await assert.rejects(small.publish("orders.a", 1), { code: "EBADF" })
  })

  it("can be cancelled", async () => {
    serve(() => new Promise(() => {}))
    const controller = new AbortController()
    const publishing = out.publish("orders.a", 1, { signal: controller.signal })
    controller.abort()
    await assert.rejects(publishing, { code: "ECANCELED" })
    assert.equal(out.pending, 0)
  })

  it("brings headers, codec and time; one publisher serves all calls of the short form", async () => {
    serve(({ messages }) => messages.map(() => STORED))
    await durablePublish(client, "b", "orders.a", "text", { codec: "string", headers: { mine: "1" }, ack: "spooled" })
    await durablePublish(client, "b", "orders.a", { a: 1 })
    const [first, second] = requests
    assert.equal(first.ack, "spooled")
    assert.equal(first.epoch, second.epoch)
    assert.deepEqual(
      first.messages[0].headers.map(([name, value]) => [name, value.toString()]),
      [
        ["mine", "1"],
        ["hd.codec", "string"],
      ],
    )
    assert.equal(first.messages[0].value?.toString(), "text")
    assert.equal(second.messages[0].headers[0][1].toString(), "msgpack")
  })
})
