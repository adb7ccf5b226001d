import assert from "node:assert/strict"
import type { Message, Wire } from "../../../core/contract.ts"
import type { PublisherPattern } from "../../../patterns/pubsub/publisher-pattern.ts"
import { FakePipe } from "../../support/fake-pipe.ts"
import { turns } from "../../support/wait.ts"
import { publisher } from "./support.ts"

/** One byte of length, then the first frame: enough to see what is shared. */
const WIRE: Wire = {
  size: message => 1 + message[0].length,
  encode(message, chunk, offset) {
    chunk[offset] = message[0].length
    return offset + 1 + message[0].copy(chunk, offset + 1)
  },
}

/** A peer whose connection takes encoded bytes. */
class FlowingPipe extends FakePipe {
  readonly batches: Buffer[] = []
  override wire: Wire | null = WIRE
  override flowing = true

  constructor(pattern: PublisherPattern, topic: string) {
    super(pattern, { socketType: "SUB" })
    this.notes("SUBSCRIBE", topic)
  }

  override sendEncoded(bytes: Buffer = Buffer.alloc(0), count = 0): void {
    this.batches.push(bytes)
    for (let at = 0; count > 0; count--) {
      const end = at + 1 + bytes[at]
      this.sent.push([bytes.subarray(at + 1, end)])
      at = end
    }
  }

  /** The connection is lost, as `SocketPipe` tells it. */
  override close(reason?: Error): void {
    this.flowing = false
    super.close(reason)
  }
}

const send = (pattern: PublisherPattern, ...words: string[]): void => {
  for (const word of words) pattern.outbox.trySend(word)
}

describe("fan-out of a PublisherPattern", () => {
  it("PUB-1 encodes a run of messages once, for all that want them", async () => {
    const pattern = publisher()
    const pipes = [1, 2, 3].map(() => new FlowingPipe(pattern, "a"))
    send(pattern, "a1", "a2", "a3")
    await turns()
    for (const pipe of pipes) {
      assert.equal(pipe.batches.length, 1)
      assert.equal(pipe.batches[0], pipes[0].batches[0])
      assert.deepEqual(pipe.taken(), ["a1", "a2", "a3"])
    }
  })

  it("PUB-1 keeps each peer's order when the sets of peers change with every message", async () => {
    const pattern = publisher()
    const a = new FlowingPipe(pattern, "a")
    const b = new FlowingPipe(pattern, "b")
    const both = new FlowingPipe(pattern, "")
    const words = ["a1", "a2", "b1", "x1", "a3", "x2", "b2", "b3", "a4"]
    send(pattern, ...words)
    await turns()
    assert.deepEqual(both.taken(), words)
    assert.deepEqual(a.taken(), ["a1", "a2", "a3", "a4"])
    assert.deepEqual(b.taken(), ["b1", "b2", "b3"])
  })

  it("PUB-3 goes on with the same batch after a message that nobody wants", async () => {
    const pattern = publisher()
    const pipes = [1, 2].map(() => new FlowingPipe(pattern, "a"))
    send(pattern, "a1", "nobody", "a2", "nobody", "a3")
    await turns()
    assert.equal(pipes[0].batches.length, 1)
    assert.deepEqual(pipes[1].taken(), ["a1", "a2", "a3"])
  })

  it("PUB-5 a peer that does not flow gets its messages one by one, and flows with the others when it can", async () => {
    const pattern = publisher()
    const [slow, ...quick] = [1, 2, 3].map(() => new FlowingPipe(pattern, ""))
    slow.flowing = false
    slow.room = 1
    send(pattern, "a", "b")
    await turns()
    assert.equal(slow.batches.length, 0)
    assert.deepEqual(slow.taken(), ["a"])
    assert.deepEqual(slow.dropped, { full: 1 })
    slow.flowing = true
    send(pattern, "c")
    await turns()
    assert.equal(slow.batches[0], quick[0].batches.at(-1))
    assert.deepEqual(slow.taken(), ["c"])
    assert.deepEqual(quick[1].taken(), ["a", "b", "c"])
  })

  it("PUB-5 all share batches again after a time in which none of them flowed", async () => {
    const pattern = publisher()
    const pipes = [1, 2].map(() => new FlowingPipe(pattern, ""))
    for (const pipe of pipes) pipe.flowing = false
    send(pattern, "a", "b")
    await turns()
    for (const pipe of pipes) pipe.flowing = true
    send(pattern, "c", "d")
    await turns()
    for (const pipe of pipes) {
      assert.equal(pipe.batches.length, 1)
      assert.deepEqual(pipe.taken(), ["a", "b", "c", "d"])
    }
  })

  it("PUB-9 the batch goes to the others when a peer of it leaves, and the loss is counted", async () => {
    const pattern = publisher()
    const [leaving, staying] = [1, 2].map(() => new FlowingPipe(pattern, ""))
    send(pattern, "a")
    leaving.leaves()
    assert.deepEqual(staying.taken(), ["a"])
    assert.deepEqual(leaving.dropped, { closed: 1 })
    send(pattern, "b")
    await turns()
    assert.deepEqual(staying.taken(), ["b"])
    assert.deepEqual(leaving.taken(), [])
  })

  it("PUB-1 a peer that subscribes while a batch is open gets only what follows", async () => {
    const pattern = publisher()
    const pipes = [1, 2].map(() => new FlowingPipe(pattern, ""))
    send(pattern, "a")
    const late = new FlowingPipe(pattern, "")
    send(pattern, "b")
    await turns()
    assert.deepEqual(late.taken(), ["b"])
    for (const pipe of pipes) assert.deepEqual(pipe.taken(), ["a", "b"])
  })

  it("PUB-1 large messages keep their place among small ones", async () => {
    const pattern = publisher()
    const pipes = [1, 2].map(() => new FlowingPipe(pattern, ""))
    const large: Message = [Buffer.alloc(20_000, "L")]
    send(pattern, "a")
    pattern.outbox.trySend(large)
    send(pattern, "b")
    await turns()
    for (const pipe of pipes) {
      assert.deepEqual(
        pipe.taken().map(word => word[0]),
        ["a", "L", "b"],
      )
    }
  })
})
