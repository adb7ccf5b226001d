import assert from "node:assert/strict"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { brokerToTorment, type KafkaBroker, uniqueName } from "../support/kafka.ts"
import { LONG_RUN } from "../support/random.ts"
import { until } from "../support/wait.ts"
import { header, readAll, startSink } from "./sink-rig.ts"

const MIB = 1024 * 1024

describe("a sink while Kafka is away", function () {
  this.timeout(120_000)
  let broker: KafkaBroker

  before(async function () {
    // faults-outage.test.ts does the like in every run.
    if (!LONG_RUN) this.skip()
    broker = await brokerToTorment(this)
  })

  afterEach(() => broker?.mend())
  closesAfterEach()

  for (const guarantee of ["exactly-once", "at-least-once"] as const) {
    it(`keeps records on disk, memory bounded, and sends them in order afterwards: ${guarantee}`, async () => {
      const driver = platformatic({ "bootstrap.servers": broker.bootstrap })
      later(() => driver.close())
      const [node, publisher] = await overTcp(2)
      const topic = uniqueName("orders")
      const limit = MIB
      const { sink } = await startSink({
        fabric: node,
        driver,
        settings: {
          bridge: uniqueName("bridge"),
          guarantee,
          routes: [{ subjects: "orders.>", topic }],
          bufferMemoryBytes: limit,
          producer: { deadline: 1_000 },
          handOverMs: 1_000,
        },
      })
      await publisher.ready({ subject: "orders.a", subscribers: 1 })
      let published = 0
      const publish = async (count: number): Promise<void> => {
        for (const end = published + count; published < end; published++) {
          publisher.publish(`orders.s${published % 9}`, String(published).padEnd(200), { codec: "string" })
          if (published % 500 === 0) await publisher.flush()
        }
        await publisher.flush()
      }
      await publish(500)
      await until(() => sink.status().waiting === 0)
      await broker.kill()
      await publish(20_000)
      await until(() => sink.status().counters.received === published)
      await until(() => sink.status().state === "degraded")
      const { bufferBytes, waiting } = sink.status()
      assert.ok(waiting > 19_000)
      // One gulp of the journal may go beyond.
      assert.ok(bufferBytes < limit + 4_096 * 1_024, `${bufferBytes} bytes`)
      await broker.restart()
      await publish(500)
      await until(() => sink.status().waiting === 0)
      assert.equal(sink.status().state, "running")
      const records = await readAll(driver, topic, published)
      const numbers = records.map(record => Number(record.value?.toString()))
      assert.equal(new Set(numbers).size, published)
      if (guarantee === "exactly-once") assert.equal(numbers.length, published)
      const last = new Map<string, number>()
      for (const [i, record] of records.entries()) {
        const subject = header(record, "hd.subject") as string
        assert.ok(numbers[i] > (last.get(subject) ?? -1), `${subject} is in order`)
        last.set(subject, numbers[i])
      }
    })
  }
})
