import assert from "node:assert/strict"
import type { KafkaDriver, KafkaRecord, Producer, StoredAt, StoredRecord } from "../../../bridge-kafka/driver.ts"
import { KafkaError } from "../../../bridge-kafka/errors.ts"
import { RecordShape } from "../../../bridge-kafka/record-shape.ts"
import { SharedHeaders } from "../../../bridge-kafka/shared-headers.ts"
import { sinkCounters } from "../../../bridge-kafka/sink/counters.ts"
import { memoryOf } from "../../../bridge-kafka/sink/journal.ts"
import { type ExactlyOnce, Lane, type LaneHost } from "../../../bridge-kafka/sink/lane.ts"
import { Ledger } from "../../../bridge-kafka/sink/ledger.ts"
import type { Mapper } from "../../../bridge-kafka/sink/mapper.ts"
import { PlainForms } from "../../../bridge-kafka/sink/plain-forms.ts"
import { PlainRecord } from "../../../bridge-kafka/sink/plain-record.ts"
import { SinkPoison } from "../../../bridge-kafka/sink/poison.ts"
import { Shard } from "../../../bridge-kafka/sink/shard.ts"
import { Topics } from "../../../bridge-kafka/sink/topics.ts"
import { spanOf } from "../../../bridge-kafka/span.ts"
import type { PlainForm } from "../../../bridge-kafka/spool/plain-form.ts"
import type { Origin, SpoolRecord } from "../../../bridge-kafka/spool/record-format.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { pass, turns, until } from "../../support/wait.ts"

type Verdict = Error | "stored, then unknown" | null
type Script = (records: readonly KafkaRecord[], attempt: number) => Verdict | Promise<Verdict>

/** The store of one partition, which answers as the script says. Kafka itself is in tests/kafka/. */
class Store {
  readonly stored: KafkaRecord[] = []
  readonly attempts: string[][] = []
  producers = 0
  private readonly script: Script

  constructor(script: Script) {
    this.script = script
  }

  get driver(): KafkaDriver {
    const take = async (records: readonly KafkaRecord[]): Promise<StoredAt[]> => {
      this.attempts.push(records.filter(one => one.topic !== "ckpt").map(text))
      const verdict = await this.script(records, this.attempts.length)
      if (verdict instanceof Error) throw verdict
      const places = records.map((one, i) => ({ topic: one.topic, partition: 0, offset: this.stored.length + i }))
      this.stored.push(...records)
      if (verdict !== null) throw new KafkaError("retriable", "the answer was lost", { outcome: "unknown" })
      return places
    }
    const producer: Producer = { produce: take, transact: take, close: async () => {} }
    const { stored } = this
    return {
      producer: async () => {
        this.producers++
        return producer
      },
      partitions: async (topics: readonly string[]) => new Map(topics.map(topic => [topic, 1])),
      read: async function* () {
        const records = stored.flatMap((one, offset): StoredRecord[] =>
          one.topic === "ckpt" ? [{ ...one, offset }] : [],
        )
        if (records.length > 0) yield { topic: "ckpt", partition: 0, records }
      },
    } as unknown as KafkaDriver
  }

  get texts(): string[] {
    return this.stored.filter(one => one.topic !== "ckpt").map(text)
  }
}

function text(record: KafkaRecord): string {
  return `${record.topic === "dead" ? "dead:" : ""}${record.value}`
}

interface Bench {
  readonly lane: Lane
  readonly shard: Shard
  readonly store: Store
  readonly mapper: Mapper
  readonly done: number[]
  readonly failures: string[]
  readonly fenced: number[]
  put(value: string, origin?: Origin, id?: string): void
}

function bench(script: Script, { exactlyOnce = false, tolerance = "all" as "all" | "none" } = {}): Bench {
  const store = new Store(script)
  const { driver } = store
  const counters = sinkCounters()
  const shard = new Shard(0)
  shard.ledger = new Ledger(100, 100)
  const done: number[] = []
  const failures: string[] = []
  const fenced: number[] = []
  const mapper: Mapper = {
    map(record, into) {
      if (record.value?.toString() === "unmappable") throw new KafkaError("poison", "no")
      into.push({ ...record, topic: "t" })
      return undefined
    },
  }
  const host: LaneHost = {
    driver,
    counters,
    spool: "spool:x",
    mapper,
    topics: new Topics(
      driver,
      { partitions: 0, replicationFactor: 1, config: {}, max: 10, changed: "warn", maxAge: 300_000 },
      () => {},
    ),
    poison: new SinkPoison({ connector: "c", tolerance, topic: "dead", headers: true }, counters, () => {}),
    settings: { linger: 0, batchBytes: 1_000_000, producer: {}, retryMin: 1, retryMax: 4 },
    done: sequence => done.push(sequence),
    settled: () => {},
    trouble: () => {},
    taken: () => {},
    fenced: one => fenced.push(one.number),
    failed: error => failures.push((error as Error).message),
  }
  const transactions: ExactlyOnce = { shard, transactionalId: "x", checkpointTopic: "ckpt", shards: 1 }
  const lane = new Lane(host, exactlyOnce ? transactions : null)
  if (!exactlyOnce) lane.add(shard)
  later(() => lane.close())
  let sequence = 0
  const put = (value: string, origin: Origin | null = null, id = ""): void => {
    const record: SpoolRecord = {
      subject: "s",
      topic: "",
      partition: -1,
      key: null,
      value: Buffer.from(value),
      headers: [],
      timestamp: 1,
      sequence: sequence++,
      shard: 0,
      id,
      origin,
    }
    shard.push(record)
    shard.bytes += memoryOf(record)
  }
  return { lane, shard, store, mapper, done, failures, fenced, put }
}

const refuse =
  (bad: string): Script =>
  records =>
    records.some(one => one.topic === "t" && String(one.value) === bad) ? new KafkaError("poison", "too large") : null

/** As a broker does whose topics have this limit. */
const refuseLonger =
  (limit: number): Script =>
  records =>
    records.some(one => (one.value?.length ?? 0) > limit && one.topic !== "ckpt")
      ? new KafkaError("poison", "too large")
      : null

const LETTERS = [..."abcdefghij"]

describe("a lane", () => {
  closesAfterEach()

  for (const exactlyOnce of [false, true]) {
    const mode = exactlyOnce ? "exactly-once" : "at-least-once"

    it(`${mode}: finds the one that Kafka refuses, and sends its dead letter in its place`, async () => {
      const { lane, put, store, shard, done } = bench(refuse("g"), { exactlyOnce })
      for (const one of LETTERS) put(one)
      lane.start()
      await until(() => shard.length === 0)
      assert.deepEqual(
        store.texts,
        LETTERS.map(one => (one === "g" ? "dead:g" : one)),
      )
      assert.deepEqual(
        done,
        LETTERS.map((_, i) => i),
      )
    })

    it(`${mode}: a dead letter that is too large too is cut, and says so`, async () => {
      const { lane, put, store, shard, failures } = bench(refuseLonger(20_000), { exactlyOnce })
      for (const one of ["a", "x".repeat(30_000), "b"]) put(one)
      lane.start()
      await until(() => shard.length === 0)
      assert.deepEqual(store.texts, ["a", `dead:${"x".repeat(16_384)}`, "b"])
      const letter = store.stored.find(one => one.topic === "dead")
      assert.equal(letter?.headers.find(([name]) => name === "hd.cut")?.[1].toString(), "30000")
      assert.deepEqual(failures, [])
    })

    it(`${mode}: one that cannot be mapped is set aside too`, async () => {
      const { lane, put, store, shard } = bench(() => null, { exactlyOnce })
      for (const one of ["a", "unmappable", "b"]) put(one)
      lane.start()
      await until(() => shard.length === 0)
      assert.deepEqual(store.texts, ["a", "dead:unmappable", "b"])
    })

    it(`${mode}: stops before it where nothing else was asked for; what is before it is sent`, async () => {
      const { lane, put, store, shard, failures } = bench(() => null, { exactlyOnce, tolerance: "none" })
      for (const one of ["a", "unmappable", "b"]) put(one)
      lane.start()
      await until(() => failures.length === 1)
      assert.deepEqual(store.texts, ["a"])
      assert.equal(shard.length, 2)
      assert.match(failures[0], /Record 1 of s can never pass/)
    })

    it(`${mode}: stops when the dead letter is refused as well`, async () => {
      const script: Script = records =>
        records.some(one => String(one.value) === "b") ? new KafkaError("poison", "too large") : null
      const { lane, put, failures, store } = bench(script, { exactlyOnce })
      for (const one of ["a", "b"]) put(one)
      lane.start()
      await until(() => failures.length === 1)
      assert.deepEqual(store.texts, ["a"])
    })
  }

  it("at-least-once: what was stored beside a refused one is not sent again", async () => {
    const { lane, put, store, shard } = bench((records, attempt) => {
      if (attempt > 1) return null
      // The broker took the first two, of other partitions.
      store.stored.push(records[0], records[1])
      const stored = records.map((one, i) => (i < 2 ? { topic: one.topic, partition: 0, offset: i } : null))
      return new KafkaError("poison", "too large", { record: 3, stored })
    })
    for (const one of ["a", "b", "c", "d", "e"]) put(one)
    lane.start()
    await until(() => shard.length === 0)
    assert.deepEqual(store.texts, ["a", "b", "c", "dead:d", "e"])
  })

  it("at-least-once: tries the same records by the same producer again, for ever", async () => {
    const script: Script = (_, attempt) => (attempt < 6 ? new KafkaError("retriable", "away") : null)
    const { lane, put, store, shard } = bench(script)
    for (const one of ["a", "b"]) put(one)
    lane.start()
    await until(() => store.attempts.length > 1)
    put("c")
    lane.wake()
    await until(() => shard.length === 0)
    assert.equal(store.producers, 1)
    assert.deepEqual(store.attempts.slice(0, 6), Array(6).fill(["a", "b"]))
    assert.deepEqual(store.texts, ["a", "b", "c"])
  })

  it("at-least-once: sends nothing of a shard that is held, until it is added again", async () => {
    let away = true
    const { lane, put, store, shard } = bench(() => (away ? new KafkaError("retriable", "away") : null))
    put("a")
    lane.start()
    await until(() => store.attempts.length > 0)
    lane.hold(shard)
    away = false
    await turns(2)
    const { length } = store.attempts
    put("b")
    lane.wake()
    await pass(20)
    assert.equal(store.attempts.length, length)
    // The same records again, perhaps in an attempt that was under way.
    lane.add(shard)
    await until(() => shard.length === 0)
    assert.deepEqual(store.texts, ["a", "b"])
  })

  it("at-least-once: a shard that is removed has nothing on its way, and comes back without what was", async () => {
    let answer = (_: Verdict): void => {}
    const script: Script = (_, attempt) =>
      attempt > 1
        ? null
        : new Promise<Verdict>(resolve => {
            answer = resolve
          })
    const { lane, put, store, shard } = bench(script)
    put("a")
    put("b")
    lane.start()
    await until(() => store.attempts.length === 1)
    let removed = false
    const removing = lane.remove(shard).then(() => {
      removed = true
    })
    await turns(2)
    assert.equal(removed, false)
    answer(new KafkaError("retriable", "away"))
    await removing
    // Another instance has stored them.
    shard.bytes -= shard.shift(2)
    put("c")
    lane.add(shard)
    await until(() => shard.length === 0)
    assert.deepEqual(store.texts, ["c"])
  })

  it("what another instance gave back lies before it in this journal: it is not sent twice", async () => {
    const { lane, put, store, shard } = bench(() => null)
    put("a")
    put("a", { publisher: "spool:x", epoch: 0, number: 0, floor: 0 })
    put("b", { publisher: "spool:y", epoch: 0, number: 0, floor: 0 })
    lane.start()
    await until(() => shard.length === 0)
    assert.deepEqual(store.texts, ["a", "b"])
  })

  it("exactly-once: looks into the checkpoint when a commit's answer was lost, and sends nothing twice", async () => {
    const { lane, put, store, shard, done } = bench((_, attempt) => (attempt === 1 ? "stored, then unknown" : null), {
      exactlyOnce: true,
    })
    for (const one of ["a", "b"]) put(one)
    lane.start()
    await until(() => shard.length === 0)
    assert.deepEqual(store.texts, ["a", "b"])
    assert.deepEqual(done, [0, 1])
    assert.equal(store.producers, 2)
  })

  it("exactly-once: gives the shard up when it is fenced", async () => {
    const { lane, put, fenced, shard } = bench(() => new KafkaError("fenced", "another"), { exactlyOnce: true })
    put("a")
    lane.start()
    await until(() => fenced.length === 1)
    assert.equal(shard.length, 1)
  })

  describe("at-least-once: prepares nothing behind a batch that became nothing", () => {
    /** A lane that knows the topic of "s"; records of "nobody" become nothing, one of "late" waits for its schema. */
    async function plainBench() {
      const { lane, shard, store, done, mapper } = bench(() => null)
      const shape = new RecordShape("s", "t", 0, null, new SharedHeaders([], "n"), { records: 0 })
      let late: Promise<void> | undefined
      let arrive = (): void => {}
      mapper.map = ({ subject, value }, into) => {
        if (subject === "late" && late !== undefined) return late
        if (subject !== "nobody") into.push({ subject, topic: "t", partition: 0, key: null, value, headers: [], timestamp: 1 }) // biome-ignore format: short
        return undefined
      }
      mapper.shapeOf = form => (form.subject === "s" ? shape : null)
      const forms = new PlainForms(1)
      let sequence = 0
      const add = (subject: string, count: number): void => {
        forms.of(subject, "bytes")
        const { form } = forms.of(subject, "bytes")
        for (let i = 0; i < count; i++) {
          const value = Buffer.from(`${i}`)
          shard.push(new PlainRecord(form as PlainForm, spanOf(value), 0, value.length, 1, sequence++))
        }
      }
      const schemaIsMissing = (): void => {
        late = new Promise(resolve => {
          arrive = () => {
            late = undefined
            resolve()
          }
        })
      }
      add("s", 1)
      lane.start()
      await until(() => done.length === 1)
      add("nobody", 3_000)
      lane.wake()
      while (done.length < 3_001) await Promise.resolve()
      return { lane, store, done, add, schemaIsMissing, arrive: () => arrive() }
    }

    const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

    it("when more comes in the next turn", async () => {
      const { lane, store, done, add } = await plainBench()
      add("s", 9_000)
      await turns(2)
      lane.wake()
      await until(() => done.length === 12_001)
      assert.deepEqual(store.texts, ["0", ...numbers(9_000)])
    })

    it("while something stands in the way of what comes next", async () => {
      const { lane, store, done, add, schemaIsMissing, arrive } = await plainBench()
      schemaIsMissing()
      add("late", 1)
      add("s", 9_000)
      lane.wake()
      await turns(2)
      // Nobody sleeps: it is asked to prepare, and must not.
      lane.wake()
      await turns(2)
      arrive()
      await until(() => done.length === 12_002)
      assert.deepEqual(store.texts, ["0", "0", ...numbers(9_000)])
    })
  })

  it("knows copies of a message, in one batch and later, by number and by id", async () => {
    const { lane, put, store, shard } = bench(() => null, { exactlyOnce: true })
    const origin = { publisher: "p", epoch: 1, number: 1, floor: 1 }
    put("a", origin)
    put("a", origin)
    put("b", { ...origin, number: 2 }, "mine")
    put("b", { ...origin, epoch: 2, number: 1 }, "mine")
    put("a", { ...origin, epoch: 3, number: 1 }, "p/1.0/1")
    lane.start()
    await until(() => shard.length === 0)
    put("a", origin)
    put("b", { ...origin, epoch: 4, number: 1 }, "mine")
    put("c")
    lane.wake()
    await until(() => shard.length === 0)
    assert.deepEqual(store.texts, ["a", "b", "c"])
  })
})
