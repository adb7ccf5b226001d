import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { platformatic } from "../../bridge-kafka/index.ts"
import { heddleWith, type Running } from "../cli/heddle.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { kafkaOrSkip, type SharedKafka, uniqueName } from "../support/kafka.ts"
import { readAll } from "./sink-rig.ts"

describe("heddle bridge, with Kafka", () => {
  let kafka: SharedKafka
  let driver: KafkaDriver
  let folder: string
  let file: string
  let topic: string
  let dead: string
  let name: string

  before(async function () {
    kafka = await kafkaOrSkip(this)
  })

  closesAfterEach()

  beforeEach(() => {
    driver = platformatic({ "bootstrap.servers": kafka.bootstrap })
    later(() => driver.close())
    folder = temporaryFolder()
    file = path.join(folder, "bridge.json")
    topic = uniqueName("orders")
    dead = uniqueName("dead")
    name = uniqueName("bridge")
    const letters = { "errors.tolerance": "all", "errors.deadletterqueue.topic.name": dead }
    const out = {
      "connector.class": "FabricToKafka",
      subjects: "orders.>",
      topic,
      shards: 2,
      "topic.creation.default.partitions": 1,
      ...letters,
    }
    const back = {
      "connector.class": "KafkaToFabric",
      topics: topic,
      "subject.prefix": "stored",
      start: "committed-or-earliest",
      "offset.flush.interval.ms": 50,
    }
    const config = {
      name,
      fabric: { name: "shop" },
      kafka: { "bootstrap.servers": "${env:BROKERS}" },
      spool: { dir: path.join(folder, "spool"), "max.bytes": "8MiB" },
      connectors: [
        { name: "out", config: out },
        { name: "in", config: back },
      ],
    }
    fs.writeFileSync(file, JSON.stringify(config))
  })

  function run(...args: string[]): Running {
    return heddleWith({ HEDDLE_DIR: folder, BROKERS: kafka.bootstrap }, ...args)
  }

  const ask = (command: string, ...args: string[]): Running =>
    run("bridge", command, name, ...args, "--fabric", "shop", "--timeout", "20000")

  it("says what it would make, and makes nothing", async () => {
    const { text } = await run("bridge", "--config", file, "--check").ends(0)
    assert.match(text, /2 connectors, nothing is wrong\nKafka: cluster \S+, 1 broker/)
    assert.match(text, new RegExp(`out +${topic} +1 +would be made`))
    assert.match(text, new RegExp(`in +${topic} +is missing: it would be waited for`))
    assert.match(text, /__hd\.\S+\.shards +2 +would be made/)
    assert.equal((await driver.partitions([topic, dead])).size, 0)
  })

  it("runs, is controlled, and sends what it has at its end", async () => {
    await driver.createTopics([{ name: topic, partitions: 1, replicationFactor: 1 }])
    const bridge = run("bridge", "--config", file)
    await bridge.prints("out is running")
    await bridge.prints("in is running")
    const sub = run("sub", "--fabric", "shop", "stored.>", "--count", "3", "--verbose")
    // What comes back before it is there nobody keeps for it.
    await sub.prints("joined shop")
    await run("pub", "--fabric", "shop", "--wait", "1", "orders.a", "1", "2", "3").ends(0)
    await sub.ends(0)
    const status = await ask("status", "out").ends(0)
    assert.match(status.text, /out +FabricToKafka +running +2 +3 +3 +0\n/)
    const paused = await ask("pause", "in").ends(0)
    assert.match(paused.text, /^in is paused at bridge /)
    await ask("resume", "in").ends(0)
    const offsets = await ask("offsets", "in", "--to", "earliest", "--json").ends(0)
    const [row] = (JSON.parse(offsets.text) as { offsets: { topic: string; end: number }[] }).offsets
    assert.deepEqual([row.topic, row.end], [topic, 3])
    const table = await ask("offsets", "in").ends(0)
    assert.match(table.text, /^TOPIC +PARTITION +OFFSET +FIRST +END +LAG\n/)
    const none = await ask("redrive", "in").ends(1)
    assert.match(none.errors, /has no errors\.deadletterqueue\.topic\.name/)
    bridge.signal("SIGTERM")
    await bridge.ends(0)
    assert.match(bridge.errors, /out: 3 in \(.*\), 3 done, 0 waiting; in: .*\n$/)
    assert.equal((await readAll(driver, topic)).length, 3)
  })
})
