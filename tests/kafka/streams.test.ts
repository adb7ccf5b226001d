import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { promisify } from "node:util"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { durable, startBridge } from "../../bridge-kafka/index.ts"
import { slotOf } from "../../bridge-kafka/mapping/partition.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import type { Fabric } from "../../index.ts"
import { collect, overTcp, range } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { kafkaOrSkip, type SharedKafka, uniqueName } from "../support/kafka.ts"
import { FIXTURE, fetchJars, ROOT } from "../support/kafka-jars.ts"
import { Program } from "../support/processes.ts"
import { Random } from "../support/random.ts"
import { until } from "../support/wait.ts"
import { readAll, startSink } from "./sink-rig.ts"

const SOURCES = path.join(ROOT, "tests/kafka/streams")
/** The jars for the first time, and a compiler (milliseconds). */
const FIRST_TIME = 400_000

const PARTITIONS = 3
const WINDOW = 10_000
const GRACE = 5_000

/** What the Java program writes, and the subscriber gets. */
interface WindowCount {
  readonly window: number
  readonly count: number
}

describe("what Java makes of mirrored topics", () => {
  let kafka: SharedKafka
  let driver: KafkaDriver
  const classes = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-classes-"))
  let classPath = ""

  before(async function () {
    kafka = await kafkaOrSkip(this)
    this.timeout(FIRST_TIME)
    try {
      const jars = await fetchJars(path.join(SOURCES, "pom.xml"), "streams")
      const files = ["WindowedCounts.java", "Partitions.java"].map(file => path.join(SOURCES, file))
      await promisify(execFile)("javac", ["-d", classes, "-cp", jars, ...files])
      classPath = `${classes}${path.delimiter}${jars}`
    } catch (error) {
      // Java programs that do not compile are a fault; tools that are not there are none.
      if (/\.java:\d+/.test(String(error))) throw error
      process.stdout.write(`\nTests with programs in Java are skipped: ${(error as Error).message}\n`)
      this.skip()
    }
  })

  after(() => fs.rmSync(classes, { recursive: true, force: true }))

  closesAfterEach()

  beforeEach(() => {
    driver = platformatic({ "bootstrap.servers": kafka.bootstrap })
    later(() => driver.close())
  })

  function java(program: string, ...args: string[]): Program {
    const logging = `-Dlog4j2.configurationFile=${path.join(FIXTURE, "log4j2.properties")}`
    const options = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", logging, "-cp", classPath]
    return Program.run("java", [...options, program, kafka.bootstrap, ...args])
  }

  async function topicOf(kind: string, partitions = PARTITIONS): Promise<string> {
    const topic = uniqueName(kind)
    await driver.createTopics([{ name: topic, partitions, replicationFactor: 1 }])
    later(() => driver.deleteTopics([topic]))
    return topic
  }

  /** A bridge from orders.> to a topic, and from another one back to counts.KEY; tells how many records it has stored. */
  async function bridgeOf(
    fabric: Fabric,
    orders: string,
    counts: string,
  ): Promise<{ name: string; stored: () => number }> {
    const name = uniqueName("bridge")
    const out = {
      "connector.class": "FabricToKafka",
      subjects: "orders.>",
      topic: orders,
      guarantee: "exactly-once",
      coordination: "none",
      shards: 4,
    }
    const back = {
      "connector.class": "KafkaToFabric",
      topics: counts,
      // Not hd.subject, which Streams hands on too: the key says whose count it is.
      subject: "counts.${key}",
      "value.converter": "json",
      start: "committed-or-earliest",
    }
    const bridge = await startBridge(
      {
        name,
        kafka: { "bootstrap.servers": kafka.bootstrap },
        spool: { dir: temporaryFolder(), "max.bytes": "16MiB" },
        connectors: [
          { name: "out", config: out },
          { name: "back", config: back },
        ],
      },
      { fabric },
    )
    later(() => bridge.close())
    return { name, stored: () => bridge.status().connectors[0].counters.stored }
  }

  it("Kafka Streams counts by key and by the publishers' time, and the counts come back as subjects", async () => {
    const [node, publisher, subscriber] = await overTcp(3)
    const orders = await topicOf("orders")
    const counts = await topicOf("counts")
    const bridge = await bridgeOf(node, orders, counts)
    const got = collect<WindowCount>(subscriber, "counts.>")
    await got.subscription.ready

    const application = uniqueName("streams")
    later(() => driver.deleteTopics(["counts", "closed-store"].map(store => `${application}-${store}-changelog`)))
    const state = temporaryFolder()
    const streams = java("WindowedCounts", application, orders, counts, String(WINDOW), String(GRACE), state)
    await streams.says(/running/)

    // A whole number of windows, some hours ago: only the time that publishers say can be behind the counts.
    const base = Math.floor(Date.now() / WINDOW) * WINDOW - 1_000 * WINDOW
    const random = Random.fresh()
    const expected = new Map<string, number>()
    const expect = (subject: string, time: number): void => {
      const window = `${subject} ${base + Math.floor(time / WINDOW) * WINDOW}`
      expected.set(window, (expected.get(window) ?? 0) + 1)
    }
    const headers = (time: number): Record<string, string> => ({ "hd.ts": String(base + time) })
    const subjects = range(12).map(i => `orders.shop${i}`)
    let stored = 0
    const allStored = (): Promise<void> => until(() => bridge.stored() === stored)

    // Times as they come, up to where the first window would be closed.
    await publisher.ready({ subject: "orders.a", subscribers: 1 })
    for (const _ of range(1_000)) {
      const subject = random.pick(subjects)
      const time = random.int(0, WINDOW + GRACE - 1)
      publisher.publish(subject, { amount: random.int(1, 100) }, { headers: headers(time) })
      expect(subject, time)
      stored++
    }
    await allStored()

    // Time goes on in every partition: the first window is closed.
    const clocks = range(PARTITIONS).map(partition => subjectIn(partition))
    for (const subject of clocks) {
      publisher.publish(subject, "tick", { headers: headers(WINDOW + GRACE) })
      expect(subject, WINDOW + GRACE)
      stored++
    }
    await allStored()

    // Late ones: too late for the first window, in time for the second, which closes after its own grace.
    const out = durable(publisher, bridge.name)
    const late = async (subject: string, time: number): Promise<void> => {
      await out.publish(subject, { late: true }, { headers: headers(time) })
      stored++
    }
    for (const subject of [...subjects, "orders.never-counted"]) await late(subject, random.int(0, WINDOW - 1))
    for (const subject of subjects) {
      const time = WINDOW + random.int(0, GRACE)
      await late(subject, time)
      expect(subject, time)
    }
    await allStored()
    for (const subject of clocks) await late(subject, 10 * WINDOW)
    await out.close()

    await got.count(expected.size)
    const seen = new Map<string, number>()
    for (const { subject, data, headers } of got.messages) {
      const { window: start, count } = data as WindowCount
      const window = `${subject.slice("counts.".length)} ${start}`
      assert.equal(seen.has(window), false, `${window} was counted twice`)
      assert.ok(headers.get("hd.kafka")?.includes(`/${counts}/`))
      // Streams hands headers on: a count that led back to orders.> would be known as a loop.
      assert.equal(
        headers.get("hd.hops"),
        ["out", "back"].map(one => `${publisher.fabric}/${bridge.name}/${one}`).join(),
      )
      seen.set(window, count)
    }
    assert.deepEqual([...seen].sort(), [...expected].sort(), `HEDDLE_SEED=${random.seed}`)

    streams.signal("SIGTERM")
    await streams.exited
  })

  it("Kafka's own producer puts every key where the bridge does (MAP-2)", async () => {
    const count = 7
    const mirrored = await topicOf("mirrored", count)
    const copied = await topicOf("copied", count)
    const [node, publisher] = await overTcp(2)
    const { sink } = await startSink({
      fabric: node,
      driver,
      settings: { bridge: uniqueName("bridge"), routes: [{ subjects: "orders.>", topic: mirrored }] },
    })
    await publisher.ready({ subject: "orders.a", subscribers: 1 })
    const subjects = range(200).map(i => `orders.${"xyz".repeat(i % 5)}${i}.größe-${i * 7}.東京`)
    for (const subject of subjects) publisher.publish(subject, 1)
    await until(() => sink.status().counters.stored === subjects.length)

    // Keys of other shapes than subjects: bytes that are no text, of every length modulo 4.
    const random = Random.fresh()
    const keys = range(200).map(i => random.bytes(i % 41))
    const producer = await driver.producer()
    const at = Date.now()
    const value = Buffer.from("1")
    await producer.produce(
      keys.map(key => ({ topic: mirrored, partition: slotOf(key, count), key, value, headers: [], timestamp: at })),
    )
    await producer.close()

    const program = java("Partitions", mirrored, copied)
    assert.equal(await program.exited, 0)
    const lines = program.output.trimEnd().split("\n")
    assert.equal(lines.length, subjects.length + keys.length)
    for (const line of lines) {
      const [key, read, written] = line.split(" ")
      assert.equal(read, written, `key ${key}`)
    }
    const places = new Set(lines.map(line => line.split(" ")[1]))
    assert.equal(places.size, count)
    assert.equal((await readAll(driver, copied)).length, lines.length)
  })
})

/** The subject of a clock that lies in this partition. */
function subjectIn(partition: number): string {
  for (let i = 0; ; i++)
    if (slotOf(Buffer.from(`orders.clock${i}`), PARTITIONS) === partition) return `orders.clock${i}`
}
