import assert from "node:assert/strict"
import type { KafkaHeader } from "../../../bridge-kafka/driver.ts"
import { KafkaError, PoisonError } from "../../../bridge-kafka/errors.ts"
import { BridgeMetrics } from "../../../bridge-kafka/metrics/bridge-metrics.ts"
import { readSource } from "../../../bridge-kafka/metrics/source-metrics.ts"
import { collect, overTcp, range } from "../../patterns/fabric/nodes.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { pass, turns, until } from "../../support/wait.ts"
import { records } from "./fake-kafka.ts"
import { source } from "./rig.ts"

const BY_KEY = "${key}"
const P0 = { topic: "t", partition: 0 }
const P1 = { topic: "t", partition: 1 }
const keys = (count: number, kinds = 3): string[] => range(count).map(i => `k${i % kinds}`)

describe("source, published", () => {
  closesAfterEach()

  it("SRC-1 SRC-3 publishes records in order, with hd.kafka and their own headers, and commits", async () => {
    const [subscriber, node] = await overTcp(2)
    const got = collect(subscriber, "t.>")
    await got.subscription.ready
    const { kafka, connector } = await source(node)
    kafka.last.assign(P0)
    const [first, ...rest] = records("t", 0, 5, keys(1_000))
    kafka.last.give([{ ...first, headers: [...first.headers, ["a", Buffer.from("1")]] }, ...rest])
    assert.deepEqual(await got.count(1_000), range(1_000, 5))
    const [message] = got.messages
    assert.equal(message.subject, "t.k0")
    assert.equal(message.headers.get("hd.kafka"), "fake/t/0/5")
    assert.equal(message.headers.get("hd.hops"), "here/box/in")
    assert.equal(message.headers.get("a"), "1")
    await until(() => kafka.last.committed("t", 0) === 1_005)
    const { partitions, counters, state } = connector.status()
    assert.equal(state, "running")
    assert.deepEqual([partitions[0].records, partitions[0].bytes, partitions[0].position], [0, 0, 1_005])
    assert.deepEqual([counters.records, counters.messages, counters.unwanted, counters.overrun], [1_000, 1_000, 0, 0])
  })

  it("REC-2 takes the subject of hd.subject, and tombstones as messages without a payload", async () => {
    const [subscriber, node] = await overTcp(2)
    const got = collect(subscriber, ">")
    await got.subscription.ready
    const { kafka } = await source(node, { subjectPrefix: "from.kafka" })
    kafka.last.assign(P0)
    const [one, two] = records("t", 0, 0, ["a", null])
    kafka.last.give([
      { ...one, headers: [["hd.subject", Buffer.from("orders.7")]] },
      { ...two, value: null },
    ])
    assert.deepEqual(await got.count(2), [one.value, undefined])
    assert.deepEqual(
      got.messages.map(({ subject }) => subject),
      ["from.kafka.orders.7", "from.kafka.t.none"],
    )
    assert.equal(got.messages[1].headers.get("tombstone"), "1")
  })

  it("MAP-4 drops what comes back, and goes on", async () => {
    const [subscriber, node] = await overTcp(2)
    const got = collect(subscriber, ">")
    await got.subscription.ready
    const { kafka, connector } = await source(node)
    kafka.last.assign(P0)
    const [one, two] = records("t", 0, 0, ["a", "b"])
    kafka.last.give([{ ...one, headers: [...one.headers, ["hd.hops", Buffer.from("x/y,here/box/in")]] }, two])
    assert.deepEqual(await got.count(1), [1])
    await until(() => kafka.last.committed("t", 0) === 2)
    assert.equal(connector.status().loops, 1)
  })

  it("MAP-4 what was in another fabric since does not come back, nor to its own subject; a result in Kafka does", async () => {
    const [subscriber, node] = await overTcp(2)
    const got = collect(subscriber, ">")
    await got.subscription.ready
    const { kafka, connector } = await source(node, { subject: BY_KEY })
    kafka.last.assign(P0)
    const way = (list: string, subject: string): KafkaHeader[] => [
      ["hd.codec", Buffer.from("json")],
      ["hd.hops", Buffer.from(list)],
      ["hd.subject", Buffer.from(subject)],
    ]
    const ways = [
      way("here/a/out,there/b/in,there/b/out", "x"),
      way("here/a/out", "echo"),
      way("here/a/out", "order"),
      way("there/b/out", "echo"),
      // A durable message: only the bridge has had it.
      [...way("here/a/out", "echo"), ["hd.epoch", Buffer.from("1.0")] as KafkaHeader],
    ]
    const keys = ["x.back", "echo", "count", "echo", "echo"]
    kafka.last.give(records("t", 0, 0, keys).map((one, i) => ({ ...one, headers: ways[i] })))
    assert.deepEqual(await got.count(3), [2, 3, 4])
    await until(() => kafka.last.committed("t", 0) === 5)
    assert.equal(connector.status().loops, 2)
  })

  it("SRC-1 where a partition begins of which nothing is committed is committed at once", async () => {
    const [node] = await overTcp(1)
    const { kafka, connector } = await source(node, { offsetFlushIntervalMs: 3_600_000 })
    kafka.last.assign(P0)
    kafka.last.assignNew("t", 1, 42)
    await until(() => kafka.last.committed("t", 1) === 42)
    // What was committed is not said again.
    assert.deepEqual(
      kafka.last.commits.flat().map(one => one.partition),
      [1],
    )
    assert.equal(connector.status().partitions.find(one => one.partition === 1)?.committed, 42)
  })

  for (const delivery of ["published", "acked"] as const) {
    it(`what cannot be read is set aside, with all that it stands for (${delivery})`, async () => {
      const [node] = await overTcp(1)
      const got: unknown[] = []
      if (delivery === "acked") node.work("t.>", message => void got.push(message.data))
      else node.subscribe("t.>", message => void got.push(message.data))
      const { kafka, connector } = await source(node, { delivery, errorsTolerance: "all" })
      kafka.last.assign(P0)
      const [one, two, three] = records("t", 0, 0, ["a", "b", "c"])
      const error = new PoisonError("KAFKA_CONSUME", "too large", { protocolName: "RECORD_LIST_TOO_LARGE" })
      kafka.last.give([one, { ...two, value: null, unreadable: { error, last: 8 } }])
      await until(() => kafka.last.committed("t", 0) === 9)
      assert.deepEqual(got, [0])
      assert.equal(connector.counters.dropped, 1)
      kafka.last.give([{ ...three, offset: 9 }])
      await until(() => kafka.last.committed("t", 0) === 10)
      assert.deepEqual(got, [0, 2])
    })
  }

  it("stops before what cannot be read, and says why", async () => {
    const [node] = await overTcp(1)
    const { kafka, connector } = await source(node)
    kafka.last.assign(P0)
    const [one, two] = records("t", 0, 0, ["a", "b"])
    const error = new PoisonError("KAFKA_CONSUME", "too large", { protocolName: "RECORD_LIST_TOO_LARGE" })
    kafka.last.give([one, { ...two, value: null, unreadable: { error, last: 8 } }])
    await until(() => connector.status().partitions[0].stopped !== null)
    const { offset, stage, error: name } = connector.status().partitions[0].stopped ?? assert.fail()
    assert.deepEqual([offset, stage, name], [1, "KAFKA_CONSUME", "RECORD_LIST_TOO_LARGE"])
    await until(() => kafka.last.committed("t", 0) === 1)
  })

  it("counts what came from each of its topics", async () => {
    const [node] = await overTcp(1)
    const { kafka, connector } = await source(node, { topics: ["t", "u"] })
    kafka.last.assign(P0, { topic: "u", partition: 0 })
    kafka.last.give(records("t", 0, 0, keys(10)))
    kafka.last.give(records("u", 0, 0, keys(3)))
    await until(() => kafka.last.committed("t", 0) === 10 && kafka.last.committed("u", 0) === 3)
    const metrics = new BridgeMetrics()
    readSource(metrics, "in", connector)
    const found = metrics.samples().filter(one => one.name === "heddle_bridge_routed_records_total")
    assert.deepEqual(
      found.map(({ labels, value }) => [labels.route, labels.topic, value]),
      [
        ["t", "t", 10],
        ["u", "u", 3],
      ],
    )
  })

  it("counts what nobody wanted, and commits it", async () => {
    const [node] = await overTcp(1)
    const { kafka, connector } = await source(node)
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, keys(10)))
    await until(() => kafka.last.committed("t", 0) === 10)
    assert.equal(connector.counters.unwanted, 10)
  })

  it("SRC-2 waits for subscribers that block: that partition is paused, others go on, the group is not left", async () => {
    const [node] = await overTcp(1)
    let release: () => void = () => {}
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    const slow: unknown[] = []
    node.subscribe(
      "slow.>",
      async message => {
        await gate
        slow.push(message.data)
      },
      { policy: "block", limit: 4 },
    )
    const fast = collect(node, "fast.>")
    const { kafka, connector } = await source(node, { subject: BY_KEY, bufferMemoryBytes: 40_000 })
    kafka.last.assign(P0, P1)
    for (let i = 0; i < 4; i++) kafka.last.give(records("t", 0, i * 50, Array(50).fill("slow.x")))
    await until(() => kafka.last.paused.has("t/0"))
    kafka.last.give(records("t", 1, 0, Array(20).fill("fast.x")))
    assert.deepEqual(await fast.count(20), range(20))
    await until(() => kafka.last.committed("t", 1) === 20)
    assert.ok(kafka.last.committed("t", 0) < 200)
    assert.equal(kafka.consumers.length, 1)
    release()
    await until(() => slow.length === 200)
    assert.deepEqual(slow, range(200))
    await until(() => !kafka.last.paused.has("t/0") && kafka.last.committed("t", 0) === 200)
    assert.equal(connector.counters.pauses, 1)
  })

  it("pauses and resumes on request, without leaving the group", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, ">")
    const { kafka, connector } = await source(node)
    kafka.last.assign(P0)
    connector.pause()
    assert.equal(connector.state, "paused")
    assert.ok(kafka.last.paused.has("t/0"))
    // A batch that was under way already.
    kafka.last.give(records("t", 0, 0, keys(500)))
    await until(() => connector.counters.records === 500)
    await turns(20)
    assert.equal(got.messages.length, 0)
    connector.resume()
    await got.count(500)
    assert.ok(!kafka.last.paused.has("t/0"))
    assert.equal(kafka.consumers.length, 1)
  })

  it("SRC-1 stops before a record that cannot pass, says where and why, and tries again when resumed", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, ">")
    const { kafka, connector } = await source(node, { subject: BY_KEY })
    kafka.last.assign(P0, P1)
    kafka.last.give(records("t", 0, 0, ["a", "b", "no..subject", "c"]))
    await until(() => connector.status().partitions[0].stopped !== null)
    const [stopped] = connector.status().partitions
    assert.equal(stopped.stopped?.offset, 2)
    assert.equal(stopped.stopped?.stage, "MAPPING")
    assert.match(stopped.stopped?.message ?? "", /no valid subject/)
    assert.ok(stopped.paused)
    assert.deepEqual([stopped.records, stopped.bytes], [0, 0])
    kafka.last.give(records("t", 1, 0, ["d"]))
    await got.count(3)
    await until(() => kafka.last.committed("t", 1) === 1 && kafka.last.committed("t", 0) === 2)
    // What comes of that partition nevertheless is not taken.
    kafka.last.give(records("t", 0, 4, ["e"]))
    await turns(20)
    assert.deepEqual(got.values(), [0, 1, 0])
    connector.resume()
    await until(() => kafka.consumers.length === 2 && connector.state === "running")
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 2, ["c", "c"]))
    await got.count(5)
    assert.equal(kafka.consumers[0].closed, true)
  })

  it("SINK-7 sets such a record aside where that is wanted, with what went wrong, and goes on", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, "a")
    const notices = collect(node, "notices")
    const { kafka, connector } = await source(node, {
      subject: BY_KEY,
      errorsTolerance: "all",
      errorsDeadletterqueueTopicName: "dead",
      errorsDeadletterqueueSubject: "notices",
    })
    kafka.produceErrors.push(new KafkaError("retriable", "not now"), new KafkaError("retriable", "not yet"))
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 7, ["a", "no..subject", "a"]))
    assert.deepEqual(await got.count(2), [7, 9])
    await until(() => kafka.last.committed("t", 0) === 10)
    assert.equal(kafka.produced.length, 1)
    const [letter] = kafka.produced
    assert.equal(letter.topic, "dead")
    assert.equal(letter.value?.toString(), "8")
    const headers = new Map(letter.headers.map(([name, value]) => [name, value.toString()]))
    assert.equal(headers.get("__connect.errors.offset"), "8")
    assert.equal(headers.get("__connect.errors.stage"), "MAPPING")
    assert.equal(headers.get("__connect.errors.connector.name"), "in")
    const [notice] = await notices.count(1)
    assert.equal(String(notice), "8")
    assert.equal(notices.messages[0].headers.get("__connect.errors.offset"), "8")
    assert.equal(connector.counters.deadLetters, 1)
  })

  it("drops and counts such a record where nobody wants dead letters", async () => {
    const [node] = await overTcp(1)
    const { kafka, connector } = await source(node, { subject: BY_KEY, errorsTolerance: "all" })
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, ["a", "no..subject", "a"]))
    await until(() => kafka.last.committed("t", 0) === 3)
    assert.equal(connector.counters.dropped, 1)
  })

  it("commits before a partition is given up, and takes nothing of it afterwards", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, ">")
    const { kafka, connector } = await source(node, { offsetFlushIntervalMs: 3_600_000 })
    kafka.last.assign(P0, P1)
    kafka.last.give(records("t", 0, 0, keys(10)))
    await got.count(10)
    await kafka.last.revoke(P0)
    assert.equal(kafka.last.committed("t", 0), 10)
    assert.deepEqual(
      connector.status().partitions.map(({ partition }) => partition),
      [1],
    )
    kafka.last.give(records("t", 0, 10, keys(10)))
    kafka.last.give(records("t", 1, 0, keys(3)))
    await got.count(13)
    kafka.last.options.lost?.([P1])
    assert.deepEqual(connector.status().partitions, [])
    assert.deepEqual([connector.counters.revoked, connector.counters.lost], [1, 1])
  })

  it("ends in order: what is published is committed, and the group is left", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, ">")
    const { kafka, connector } = await source(node, { offsetFlushIntervalMs: 3_600_000 })
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, keys(5_000)))
    await until(() => got.messages.length > 0)
    await connector.stop()
    const committed = kafka.last.committed("t", 0)
    await until(() => got.messages.length >= committed)
    await turns(20)
    assert.equal(got.messages.length, committed)
    assert.ok(kafka.last.closed)
    assert.equal(connector.state, "stopped")
    await connector.stop()
  })

  it("makes the consumer anew after errors that pass, and stops at those that do not", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, ">")
    const { kafka, connector } = await source(node)
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, keys(3)))
    await got.count(3)
    kafka.consumerErrors.push(new KafkaError("retriable", "no broker"))
    kafka.last.fail(new KafkaError("retriable", "connection lost"))
    await until(() => kafka.consumers.length === 2 && connector.state === "running")
    assert.equal(kafka.consumers[0].committed("t", 0), 3)
    assert.equal(connector.counters.restarts, 2)
    kafka.last.assign(P0)
    kafka.last.refuse = new KafkaError("fenced", "who are you?")
    kafka.last.give(records("t", 0, 3, keys(1)))
    await until(() => kafka.consumers.length === 3 && connector.state === "running")
    kafka.last.fail(new KafkaError("fatal", "not allowed"))
    await until(() => connector.state === "failed")
    assert.equal(connector.status().error, "not allowed")
    connector.resume()
    await until(() => connector.state === "running")
    assert.equal(kafka.consumers.length, 4)
  })

  it("the watchdog makes a consumer anew that gives nothing although there is something", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, ">")
    const { kafka, connector } = await source(node, { watchdogMs: 20 })
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, keys(3)))
    await got.count(3)
    // The end of a transaction takes an offset and is no record.
    kafka.end = 4
    await pass(100)
    assert.equal(kafka.consumers.length, 1)
    kafka.stored = records("t", 0, 4, ["a"])
    kafka.end = 5
    await until(() => kafka.consumers.length === 2)
    assert.equal(connector.counters.stalls, 1)
  })

  it("passes over records that come again", async () => {
    const [node] = await overTcp(1)
    const got = collect(node, ">")
    const { kafka } = await source(node)
    kafka.last.assign(P0)
    kafka.last.give(records("t", 0, 0, keys(5)))
    kafka.last.give(records("t", 0, 3, keys(5)))
    assert.deepEqual(await got.count(8), range(8))
  })
})
