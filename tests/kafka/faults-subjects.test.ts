import assert from "node:assert/strict"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { kafkaOrSkip, type SharedKafka, uniqueName } from "../support/kafka.ts"
import { LONG_RUN } from "../support/random.ts"
import { BridgeProcess, numberOf, PublisherProcess, placeOf, sinkFile } from "./fault-rig.ts"
import { header } from "./sink-rig.ts"

const SUBJECTS = LONG_RUN ? 1_000_000 : 50_000
/** What a bridge may take more than for one subject (bytes): caches are bounded, and V8 lets a heap under load grow to several times of them. */
const MEMORY = 256 * 1024 * 1024
const PARTITIONS = 2

/** As Java's Utils.murmur2, written anew: the bridge's own is what is looked at. */
function javaPartition(text: string): number {
  const data = Buffer.from(text)
  const m = 0x5bd1e995
  let h = 0x9747b28c ^ data.length
  let i = 0
  for (; i + 4 <= data.length; i += 4) {
    let k = Math.imul(data.readInt32LE(i), m)
    k = Math.imul(k ^ (k >>> 24), m)
    h = Math.imul(h, m) ^ k
  }
  const rest = data.length - i
  if (rest > 2) h ^= data[i + 2] << 16
  if (rest > 1) h ^= data[i + 1] << 8
  if (rest > 0) h = Math.imul(h ^ data[i], m)
  h = Math.imul(h ^ (h >>> 13), m)
  return ((h ^ (h >>> 15)) & 0x7fffffff) % PARTITIONS
}

describe("faults: very many subjects in one topic", function () {
  this.timeout(LONG_RUN ? 600_000 : 60_000)
  let kafka: SharedKafka

  before(async function () {
    kafka = await kafkaOrSkip(this)
  })

  closesAfterEach()

  it("each has its own key, in the partition where Java looks for it, and memory is bounded", async () => {
    const [node] = await overTcp(1)
    const place = placeOf(node)
    const bridge = uniqueName("bridge")
    const topic = uniqueName("orders")
    const config = sinkFile({
      bridge,
      bootstrap: kafka.bootstrap,
      topic,
      out: { guarantee: "exactly-once", "buffer.memory.bytes": "8MiB", subjects: "orders.>,warm.>" },
      spool: { "tail.bytes": "2MiB", "buffer.bytes": "8MiB", "max.bytes": "1GiB" },
    })
    const out = await BridgeProcess.start({ ...place, config }).ready()
    const start = (prefix: string, subjects: number): Promise<PublisherProcess> =>
      PublisherProcess.start({ ...place, bridge, prefix, subjects, maxInFlight: 5_000 }).ready()
    const [warm, publisher] = await Promise.all([start("warm", 1), start("orders", SUBJECTS)])
    await warm.publish(10_000)
    await warm.settled()
    const before = await out.memory()
    await publisher.publish(SUBJECTS)
    const report = await publisher.settled()
    assert.deepEqual(report.acknowledged, [[0, SUBJECTS - 1]])
    const more = (await out.memory()) - before
    assert.ok(more < MEMORY, `${more} bytes more for ${SUBJECTS} subjects`)
    const driver = platformatic({ "bootstrap.servers": kafka.bootstrap })
    later(() => driver.close())
    const seen = new Set<number>()
    for (let partition = 0; partition < PARTITIONS; partition++) {
      for await (const { records } of driver.read({ topic, partition }, { from: 0, isolation: "read_committed" })) {
        for (const record of records) {
          const key = record.key?.toString() ?? ""
          if (key === "warm.s0") continue
          const number = numberOf(record)
          assert.equal(key, `orders.s${number}`)
          assert.equal(header(record, "hd.subject"), key)
          assert.equal(record.partition, javaPartition(key))
          seen.add(number)
        }
      }
    }
    assert.equal(seen.size, SUBJECTS)
  })
})
