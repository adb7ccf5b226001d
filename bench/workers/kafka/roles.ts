import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { platformatic } from "../../../bridge-kafka/platformatic/index.ts"
import { fetchJars } from "../../../tests/support/kafka-jars.ts"
import { BATCH_SIZE, BUFFER_MEMORY, LINGER, PARTITIONS, subjectOf } from "../../kafka/settings.ts"
import type { Arguments } from "../../task.ts"
import { timeAll } from "../heddle/kafka/publisher.ts"
import type { Parent, Roles } from "../parent.ts"
import { ownProcessorTime } from "../publishing.ts"

async function hello(_task: Arguments, parent: Parent): Promise<void> {
  const version = /broker-([\d.]+)/.exec(await fetchJars())?.[1] ?? "of unknown version"
  parent.result({ version })
}

async function produce(task: Arguments, parent: Parent): Promise<void> {
  const driver = platformatic({ "bootstrap.servers": task.text("bootstrap") })
  const topic = task.text("topic")
  await driver.createTopics([{ name: topic, partitions: PARTITIONS, replicationFactor: 1 }])
  const result = task.text("way") === "awaited" ? await awaited(task) : await producerPerformance(task)
  const ends = await driver.offsets(topic, "latest")
  const stored = [...ends.values()].reduce((sum, offset) => sum + offset, 0)
  parent.result({ ...result, stored })
  await parent.gone
}

/** Kafka's own measure of a producer: `kafka-producer-perf-test`. */
async function producerPerformance(task: Arguments): Promise<{ seconds: number; count: number; cpu: number }> {
  const warm = task.number("warm")
  const count = task.number("count")
  const properties = {
    "bootstrap.servers": task.text("bootstrap"),
    acks: "all",
    "batch.size": BATCH_SIZE,
    "linger.ms": LINGER,
    "buffer.memory": BUFFER_MEMORY,
    "compression.type": "none",
  }
  const args = ["--topic", task.text("topic"), "--num-records", warm + count, "--record-size", task.number("size")]
  const java = spawn(
    "java",
    [
      "-Xmx512m",
      "-cp",
      await fetchJars(),
      "org.apache.kafka.tools.ProducerPerformance",
      ...[...args, "--throughput", -1, "--warmup-records", warm].map(String),
      "--command-property",
      ...Object.entries(properties).map(([key, value]) => `${key}=${value}`),
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  )
  let cpu = 0
  const watch = setInterval(() => {
    cpu = processorTimeOf(java.pid ?? 0) ?? cpu
  }, WATCH)
  let said = ""
  for await (const text of java.stdout.setEncoding("utf8")) said += text
  clearInterval(watch)
  const lines = [...said.matchAll(/^(\d+) steady state records sent, ([\d.]+) records\/sec/gm)]
  const [, records, rate] = lines.at(-1) ?? []
  if (rate === undefined) throw new Error(`ProducerPerformance said ${said.slice(-300)}`)
  const share = Number(records) / (warm + count)
  return { count: Number(records), seconds: Number(records) / Number(rate), cpu: cpu * share }
}

/** Milliseconds between two looks at what a process has used: its last one counts. */
const WATCH = 50

/** Microseconds, user and system, by Linux (ticks of 10 ms); null = not to be had. */
function processorTimeOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    const [user, system] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13)
    return (Number(user) + Number(system)) * 10_000
  } catch {
    return null
  }
}

/** A produce for each message, awaited before the next: the way of bridges that store one message at a time. */
async function awaited(task: Arguments): Promise<{ seconds: number; count: number; cpu: number }> {
  const before = ownProcessorTime()
  const { seconds, count } = await oneByOne(task)
  return { seconds, count, cpu: ownProcessorTime() - before }
}

async function durable(task: Arguments, parent: Parent): Promise<void> {
  parent.result(await oneByOne(task))
  await parent.gone
}

/** So many records a call as others have calls outstanding: a producer has one call at a time. */
async function oneByOne(task: Arguments): Promise<{ seconds: number; count: number; p50: number; p99: number }> {
  const driver = platformatic({ "bootstrap.servers": task.text("bootstrap") })
  const topic = task.text("topic")
  await driver.createTopics([{ name: topic, partitions: PARTITIONS, replicationFactor: 1 }])
  const producer = await driver.producer()
  const value = Buffer.alloc(task.number("size"), "x")
  const timestamp = Date.now()
  return timeAll(task, index =>
    producer.produce([
      { topic, partition: index % PARTITIONS, key: Buffer.from(subjectOf(index)), value, headers: [], timestamp },
    ]),
  )
}

export const roles: Roles = { hello, "kafka-produce": produce, "kafka-durable": durable }
