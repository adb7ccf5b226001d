import assert from "node:assert/strict"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { durable } from "../../bridge-kafka/durable.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { kafkaOrSkip, type SharedKafka, uniqueName } from "../support/kafka.ts"
import { Program } from "../support/processes.ts"
import { LONG_RUN, seeded } from "../support/random.ts"
import { header, readAll, startSink } from "./sink-rig.ts"

/** Where the bridge dies: around each thing that it does for a message. */
const POINTS = [
  "before-write",
  "after-write",
  "before-sync",
  "after-sync",
  "before-transaction",
  "within-transaction",
  "after-commit",
  "before-release",
  "before-reply",
] as const

interface Life {
  readonly node: string
  readonly fabric: string
  readonly bootstrap: string
  readonly folder: string
  readonly bridge: string
  readonly topic: string
  /** "" = it lives. */
  readonly point: string
  /** It dies there when it comes by for that time. */
  readonly times: number
}

/** A bridge in a process of its own, that kills itself at a point: the seams are the disk, the driver and the fabric. */
function bridgeProcess(life: Life): Program {
  const at = (file: string): string => new URL(`../../${file}`, import.meta.url).href
  return Program.start(`
    import fs from "node:fs"
    import { join, seeds } from "${at("index.js")}"
    import { Spool } from "${at("bridge-kafka/spool/spool.js")}"
    import { SYSTEM_DISK } from "${at("bridge-kafka/spool/disk.js")}"
    import { platformatic } from "${at("bridge-kafka/platformatic/index.js")}"
    import { SinkConnector } from "${at("bridge-kafka/sink/sink-connector.js")}"
    import { SINK_DEFAULTS } from "${at("bridge-kafka/sink/settings.js")}"
    import { serveInfo } from "${at("bridge-kafka/sink/info.js")}"
    const life = ${JSON.stringify(life)}
    let left = life.times
    let armed = false
    const die = point => {
      if (armed && point === life.point && --left <= 0) process.kill(process.pid, "SIGKILL")
    }
    const disk = { ...SYSTEM_DISK }
    for (const [name, before, after] of [["write", "before-write", "after-write"], ["sync", "before-sync", "after-sync"]]) {
      const real = SYSTEM_DISK[name]
      disk[name] = (...args) => {
        die(before)
        return real.apply(SYSTEM_DISK, args).then(result => { die(after); return result })
      }
    }
    const driver = platformatic({ "bootstrap.servers": life.bootstrap })
    const make = driver.producer.bind(driver)
    driver.producer = async options => {
      const producer = await make(options)
      const transact = producer.transact.bind(producer)
      producer.transact = async records => {
        die("before-transaction")
        if (armed && life.point === "within-transaction") {
          // Some milliseconds later: while the records or the commit are on their way.
          const delay = --left <= 0 ? Math.random() * 12 : -1
          if (delay >= 0) setTimeout(() => process.kill(process.pid, "SIGKILL"), delay)
        }
        const places = await transact(records)
        die("after-commit")
        return places
      }
      return producer
    }
    const fabric = await join(life.fabric, { name: "bridge", discovery: [seeds([life.node])], listen: "tcp://127.0.0.1:0" })
    const spool = await Spool.open({ folder: life.folder, maxBytes: 64 * 1024 * 1024, disk })
    const release = spool.release.bind(spool)
    spool.release = below => { die("before-release"); release(below) }
    const serve = fabric.serve.bind(fabric)
    fabric.serve = (subject, handler, options) => serve(subject, async message => {
      const reply = await handler(message)
      if (subject.includes(".store.")) die("before-reply")
      return reply
    }, options)
    const settings = { ...SINK_DEFAULTS, bridge: life.bridge, connector: "out", subjects: ["orders.>"], shards: 3, coordination: "none",
      guarantee: "exactly-once", routes: [{ subjects: "orders.>", topic: life.topic }], topicPartitions: 2, retryMinMs: 20, retryMaxMs: 500 }
    const sink = new SinkConnector({ fabric, driver, settings, spool, onEvent: event => {
      if (event.type === "state" && event.state === "failed") process.stdout.write("failed " + event.trouble + "\\n")
    } })
    serveInfo(fabric, life.bridge, () => [sink.info])
    await sink.start()
    armed = true
    process.stdout.write("ready\\n")
    process.stdin.resume()
  `)
}

describe("exactly once over crashes, with Kafka (SINK-6, DUR-3)", function () {
  this.timeout(240_000)
  let kafka: SharedKafka
  let driver: KafkaDriver

  before(async function () {
    kafka = await kafkaOrSkip(this)
  })

  closesAfterEach()

  for (const ack of ["stored", "spooled"] as const) {
    it(`loses nothing that was answered "${ack}", and stores nothing twice, wherever the bridge is killed`, () =>
      seeded(async random => {
        driver = platformatic({ "bootstrap.servers": kafka.bootstrap })
        later(() => driver.close())
        const [publisher] = await overTcp(1)
        const bridge = uniqueName("bridge")
        const topic = uniqueName("orders")
        const folder = temporaryFolder()
        const life = (point: string): Life => ({
          node: publisher.endpoints[0],
          fabric: publisher.fabric,
          bootstrap: kafka.bootstrap,
          folder,
          bridge,
          topic,
          point,
          times: random.int(1, 6),
        })
        const out = durable(publisher, bridge, { ack, timeout: 200_000, maxInFlight: 200 })
        let published = 0
        let answered = 0
        let going = true
        const errors: unknown[] = []
        const publishAll = (async () => {
          while (going) {
            const number = published++
            const one = out.publish(`orders.s${number % 11}`, String(number), { codec: "string" }).then(
              () => answered++,
              error => errors.push(error),
            )
            if (out.pending >= 200) await one
            else if (number % 5 === 0) await new Promise(resolve => setImmediate(resolve))
          }
        })()
        const points = [...POINTS, ...(LONG_RUN ? [...POINTS, ...POINTS] : [])]
        for (const point of points) {
          const program = bridgeProcess(life(point))
          await program.says(/ready/)
          await program.exited
          assert.equal(program.child.signalCode, "SIGKILL", point)
        }
        const last = bridgeProcess(life(""))
        await last.says(/ready/)
        going = false
        await publishAll
        await out.close()
        assert.deepEqual(errors, [])
        assert.equal(answered, published)
        await eachOnceInOrder(driver, topic, published)
      }))
  }

  it("a frozen instance that wakes up after another took over stores nothing", async () => {
    driver = platformatic({ "bootstrap.servers": kafka.bootstrap })
    later(() => driver.close())
    const [publisher, node] = await overTcp(2)
    const bridge = uniqueName("bridge")
    const topic = uniqueName("orders")
    const zombie = bridgeProcess({
      node: publisher.endpoints[0],
      fabric: publisher.fabric,
      bootstrap: kafka.bootstrap,
      folder: temporaryFolder(),
      bridge,
      topic,
      point: "",
      times: 0,
    })
    await zombie.says(/ready/)
    const out = durable(publisher, bridge, { timeout: 200_000, maxInFlight: 100 })
    const answers: Promise<unknown>[] = []
    const publish = (count: number): void => {
      for (let i = 0; i < count; i++)
        answers.push(out.publish(`orders.s${answers.length % 11}`, String(answers.length), { codec: "string" }))
    }
    publish(500)
    await Promise.race(answers.slice(-1))
    publish(500)
    await new Promise(resolve => setImmediate(resolve))
    zombie.signal("SIGSTOP")
    await startSink({
      fabric: node,
      driver,
      settings: {
        bridge,
        guarantee: "exactly-once",
        shards: 3,
        routes: [{ subjects: "orders.>", topic }],
        topicPartitions: 2,
      },
    })
    publish(500)
    zombie.signal("SIGCONT")
    await zombie.says(/failed .*taken over by another process/)
    await Promise.all(answers)
    await eachOnceInOrder(driver, topic, answers.length)
  })
})

/** Records that were answered when they lay on the disk may be on their way still. */
async function eachOnceInOrder(driver: KafkaDriver, topic: string, count: number): Promise<void> {
  const records = await readAll(driver, topic, count)
  const numbers = records.map(one => Number(one.value?.toString()))
  assert.equal(new Set(numbers).size, count, "all are there")
  assert.equal(numbers.length, count, "each once")
  const before = new Map<string, number>()
  for (const [i, record] of records.entries()) {
    const subject = header(record, "hd.subject") as string
    assert.ok(numbers[i] > (before.get(subject) ?? -1), `${subject} is in order`)
    before.set(subject, numbers[i])
  }
}
