import assert from "node:assert/strict"
import { replay } from "../../../bridge-kafka/replay/client.ts"
import { ReplayService } from "../../../bridge-kafka/replay/service.ts"
import { SpoolStore } from "../../../bridge-kafka/replay/spool-store.ts"
import { Spool } from "../../../bridge-kafka/spool/spool.ts"
import { recordStoreSuite } from "../../conformance/record-store.ts"
import { overTcp, range } from "../../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"

async function open(options: { segmentBytes?: number; maxBytes?: number } = {}): Promise<Spool> {
  const spool = await Spool.open({ folder: temporaryFolder(), retain: {}, ...options })
  later(() => spool.close())
  return spool
}

async function put(
  spool: Spool,
  records: readonly {
    subject: string
    key?: Buffer | null
    value: Buffer | null
    headers?: readonly (readonly [string, Buffer])[]
    timestamp: number
  }[],
): Promise<void> {
  for (const { subject, key = null, value, headers = [], timestamp } of records)
    assert.notEqual(spool.append({ subject, topic: "x", partition: -1, key, value, headers, timestamp }, 0), -1)
  await spool.flush()
}

describe("replay from a spool", () => {
  closesAfterEach()

  recordStoreSuite(async () => {
    const spool = await open()
    return { store: new SpoolStore(spool), put: records => put(spool, records) }
  })

  it("gives what was recorded, also what was released, and says how many are gone", async () => {
    const [client, server] = await overTcp(2)
    const segmentBytes = 64 * 1024
    const spool = await open({ segmentBytes, maxBytes: segmentBytes * 4 })
    const service = new ReplayService({
      fabric: server,
      bridge: "box",
      stores: new Map([["log", new SpoolStore(spool)]]),
    })
    await service.start()
    later(() => service.close())
    await client.ready({ subject: "$BRIDGE.box.replay", servers: 1 })
    const values = range(3_000)
    for (let at = 0; at < values.length; at += 100) {
      const part = values.slice(at, at + 100)
      const records = part.map(i => ({
        subject: `log.${i % 3}`,
        value: Buffer.from(`${i}`.padEnd(100)),
        timestamp: 1_000 + i,
      }))
      await put(spool, records)
      spool.release(spool.durable)
    }
    assert.ok(spool.first > 0, "nothing was freed")
    const messages = replay(client, "box", { from: { offset: 0 }, subject: "log.1" })
    const found: number[] = []
    for await (const { bytes, topic } of messages) {
      assert.equal(topic, "spool")
      found.push(Number(bytes.toString()))
    }
    assert.deepEqual(
      found,
      values.filter(i => i >= spool.first && i % 3 === 1),
    )
    assert.equal(messages.skipped, spool.first)
  })
})
