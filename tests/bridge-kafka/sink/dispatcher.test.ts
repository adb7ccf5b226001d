import assert from "node:assert/strict"
import { Dispatcher } from "../../../bridge-kafka/sink/dispatcher.ts"
import { type Journal, memoryOf } from "../../../bridge-kafka/sink/journal.ts"
import { Shard } from "../../../bridge-kafka/sink/shard.ts"
import type { SpoolRecord } from "../../../bridge-kafka/spool/record-format.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { turns, until } from "../../support/wait.ts"

function recordAt(sequence: number): SpoolRecord {
  const plain = { topic: "", partition: -1, key: null, headers: [], timestamp: 1, id: "", origin: null }
  return { ...plain, subject: "s", value: Buffer.alloc(100), sequence, shard: 0 }
}

const SIZE = memoryOf(recordAt(0))

/** Gives out what the test puts into it, and notes what may be forgotten. */
class GivenJournal {
  readonly batches: SpoolRecord[][] = []
  released = 0
  private wake = (): void => {}
  private closed = false

  give(...sequences: number[]): void {
    this.batches.push(sequences.map(recordAt))
    this.wake()
  }

  async read(): Promise<SpoolRecord[] | null> {
    while (this.batches.length === 0 && !this.closed)
      await new Promise<void>(resolve => {
        this.wake = resolve
      })
    return this.batches.shift() ?? null
  }

  release(below: number): void {
    this.released = below
  }

  close(): void {
    this.closed = true
    this.wake()
  }
}

describe("the dispatcher of a sink", () => {
  closesAfterEach()

  function start(limit: number) {
    const journal = new GivenJournal()
    const shard = new Shard(0)
    const host = { arrived: () => {}, failed: (error: unknown) => assert.fail(String(error)) }
    const dispatcher = new Dispatcher(journal as unknown as Journal, 0, [shard], () => 0, limit, host)
    dispatcher.start()
    later(() => dispatcher.stop())
    later(() => journal.close())
    /** As a lane does with a batch of the oldest. */
    const store = (count: number): void => {
      for (let i = 0; i < count; i++) dispatcher.done(shard.sequenceAt(i))
      const freed = shard.shift(count)
      shard.bytes -= freed
      dispatcher.settled(freed)
    }
    return { journal, shard, dispatcher, store }
  }

  it("reads no more than fits, and goes on when half of it is free again", async () => {
    const { journal, shard, dispatcher, store } = start(3 * SIZE)
    for (let i = 0; i < 10; i += 2) journal.give(i, i + 1)
    await until(() => shard.length === 4)
    store(2)
    await turns(3)
    assert.equal(shard.length, 2)
    store(1)
    await until(() => dispatcher.readTo > 4)
    while (shard.length > 0) {
      store(shard.length)
      await turns(3)
    }
    assert.deepEqual([dispatcher.stored, dispatcher.bytes, journal.released], [10, 0, 10])
  })

  it("waits for nothing that the journal has dropped", async () => {
    const { journal, shard, dispatcher, store } = start(100 * SIZE)
    journal.give(0, 1)
    journal.give(7, 8)
    await until(() => shard.length === 4)
    store(4)
    assert.deepEqual([dispatcher.stored, journal.released], [9, 9])
  })

  it("reads nothing while it is paused", async () => {
    const { journal, shard, dispatcher } = start(100 * SIZE)
    dispatcher.pause()
    journal.give(0)
    await until(() => shard.length === 1)
    // What it had asked for came; the next has to wait.
    journal.give(1)
    await turns(3)
    assert.equal(shard.length, 1)
    dispatcher.resume()
    await until(() => shard.length === 2)
  })
})
