import assert from "node:assert/strict"
import { sinkCounters } from "../../../bridge-kafka/sink/counters.ts"
import { Ledger } from "../../../bridge-kafka/sink/ledger.ts"
import { Shard } from "../../../bridge-kafka/sink/shard.ts"
import { decodeReply, encodeRequest } from "../../../bridge-kafka/sink/store-protocol.ts"
import { StoreService, type StoreServiceHost } from "../../../bridge-kafka/sink/store-service.ts"
import type { Fabric } from "../../../index.ts"
import { turns } from "../../support/wait.ts"

describe("the store service of a shard", () => {
  it('answers "spooled" for a copy, too, only when the first one is on the disk (DUR-3)', async () => {
    let handle: (message: unknown) => Buffer | Promise<Buffer> = () => assert.fail("nobody serves")
    const fabric = {
      serve: (_subject: string, handler: typeof handle) => {
        handle = handler
        return { close: () => {} }
      },
    } as unknown as Fabric
    const written: (() => void)[] = []
    const journal = {
      next: 0,
      append: () => journal.next++,
      whenDurable: () => new Promise<void>(resolve => written.push(resolve)),
      hurry: () => {},
    }
    const shard = new Shard(0)
    shard.ledger = new Ledger(10, 10)
    const counters = sinkCounters()
    const host = { journal, counters, shardOf: () => 0, wants: () => true, canSpool: true, canStore: true }
    new StoreService(fabric, "s", shard, { ...host, maxWaiting: 10, waiting: 0 } as unknown as StoreServiceHost)
    const message = { number: 1, id: "", subject: "a", timestamp: 1, headers: [], value: Buffer.from("x") }
    const bytes = encodeRequest({ ack: "spooled", publisher: "p", epoch: 1, floor: 1, messages: [message] })
    const answered: string[] = []
    for (const which of ["first", "copy"])
      void Promise.resolve(handle({ bytes })).then(reply => {
        assert.equal(decodeReply(reply, 1)[0].stored, true)
        answered.push(which)
      })
    await turns(2)
    assert.deepEqual([answered, journal.next, counters.duplicates, written.length], [[], 1, 1, 2])
    for (const tell of written) tell()
    await turns(2)
    assert.deepEqual(answered, ["first", "copy"])
  })
})
