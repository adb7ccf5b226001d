import assert from "node:assert/strict"
import {
  GroupReceiver,
  GroupSender,
  type InboundSession,
  type Receiver,
} from "../../../../transports/multicast/engine.ts"
import { NearMembers } from "../../../../transports/multicast/near/members.ts"
import { keyOf, readNear } from "../../../../transports/multicast/near/packets.ts"
import { NearReader, type Place } from "../../../../transports/multicast/near/reader.ts"
import { NearSenders } from "../../../../transports/multicast/near/senders.ts"
import {
  BELL,
  blockFlags,
  DATA,
  EOS,
  HEADER,
  HEARTBEAT,
  LONG,
  NEAR,
  PARITY,
  putStart,
  putU16,
  putU32,
  putU48,
  sessionKey,
  writeReport,
} from "../../../../transports/multicast/wire.ts"
import { loadNative, nativeStatus } from "../../../../transports/native/native.ts"
import { closesAfterEach, later } from "../../../support/cleanup.ts"
import { until } from "../../../support/wait.ts"

const SESSION = "0123456789abcdef"
const KEY = sessionKey(SESSION)
const CHUNK = 256 * 1024
const LARGE = 16 * 1024

const never = (): { cancel(): void } => ({ cancel: () => {} })
const CONSUMER = { lacks: () => false, position: 1 }

function receiver(port: number): Receiver {
  return {
    source: `127.0.0.1 ${port}`,
    position: 0,
    cost: 0,
    received: 1,
    window: CHUNK,
    heard: 0,
    parity: true,
    used: Number.NEGATIVE_INFINITY,
  }
}

/** A sender's end, and whoever it offers its memory to. */
class Bench {
  readonly native = loadNative() as NonNullable<ReturnType<typeof loadNative>>
  now = 1_000
  /** Datagrams to receivers, by port. */
  readonly sent = new Map<number, Buffer[]>()
  wentOn = 0
  readonly members: NearMembers
  /** The packet that was published last. */
  last: Buffer = Buffer.alloc(0)
  private chunk: Buffer
  private at = 0
  private sequence = 0

  constructor() {
    const port = {
      host: "127.0.0.1",
      port: 1,
      closed: Promise.resolve(),
      start: () => {},
      close: () => {},
      send: (bytes: Buffer, _host: string, to: number) => {
        this.sent.set(to, [...(this.sent.get(to) ?? []), bytes])
        return true
      },
    }
    const clock = { now: () => this.now, after: never }
    this.members = new NearMembers(this.native, { port, clock, session: SESSION, window: 64 * CHUNK, any: false })
    this.members.serve({ moved: () => false, goOn: () => this.wentOn++ } as unknown as GroupSender)
    later(() => this.members.close())
    this.chunk = this.members.take(CHUNK)
  }

  /** One that is there before the memory is. */
  join(port: number): Receiver {
    const joined = receiver(port)
    this.members.joined(joined)
    return joined
  }

  /** A chunk of shared memory, if somebody is there to read it. */
  share(): void {
    this.members.publish(Buffer.alloc(LARGE))
    this.chunk = this.members.take(CHUNK)
    this.at = 0
    assert.ok(this.members.shares(this.chunk))
  }

  offers(port: number): Place[] {
    const near = (this.sent.get(port) ?? []).filter(bytes => bytes[3] === NEAR)
    return near.map(bytes => readNear(bytes) as Place)
  }

  open(port: number): NearReader {
    const key = keyOf((this.sent.get(port) as Buffer[])[0])
    return new NearReader(this.native, this.offers(port).at(-1) as Place, key)
  }

  /** True = nobody needs it as a datagram. */
  publish(): boolean {
    const packet = this.chunk.subarray(this.at, this.at + LARGE)
    if (packet.length < LARGE) {
      this.share()
      return this.publish()
    }
    this.at += LARGE
    putStart(packet, 0, DATA, 0, 0, KEY)
    putU16(packet, 6, HEADER)
    putU48(packet, 16, ++this.sequence)
    putU48(packet, 24, 1)
    putU48(packet, 32, this.sequence - 1)
    packet[HEADER] = LONG
    putU32(packet, HEADER + 1, LARGE - HEADER - 5)
    this.last = packet
    return this.members.publish(packet) === null
  }

  look(): void {
    this.now += 600
    this.members.tick()
  }
}

function takeAll(reader: NearReader): number {
  let count = 0
  while (reader.available > 0 && reader.ready(CONSUMER)) if ((reader.take()?.length ?? 0) >= HEADER) count++
  return count
}

describe("Slots of shared memory", () => {
  closesAfterEach()

  before(function () {
    if (loadNative() !== null) return
    console.log(`      skipped: ${nativeStatus().reason}`)
    this.skip()
  })

  it("who gave its slot back does not read, and is offered another", () => {
    const bench = new Bench()
    bench.join(7_001)
    bench.share()
    const reader = bench.open(7_001)
    bench.publish()
    assert.equal(takeAll(reader), 1)
    // The first large one goes out as a datagram, too.
    bench.publish()
    assert.equal(bench.publish(), true)
    reader.close()
    bench.look()
    assert.equal(bench.publish(), false)
    assert.equal(bench.publish(), false)
    assert.equal(bench.offers(7_001).length, 2)
    const again = bench.open(7_001)
    later(() => again.close())
    bench.publish()
    assert.equal(takeAll(again), 1)
    bench.publish()
    assert.equal(bench.publish(), true)
  })

  it("a slot that was given back is nobody else's as long as the sender knows who had it", () => {
    const bench = new Bench()
    const first = bench.join(7_001)
    bench.share()
    const reader = bench.open(7_001)
    bench.publish()
    takeAll(reader)
    bench.publish()
    reader.close()
    bench.join(7_002)
    assert.notEqual(bench.offers(7_002)[0].slot, bench.offers(7_001)[0].slot)
    const second = bench.open(7_002)
    later(() => second.close())
    bench.publish()
    takeAll(second)
    // The first one does not read, whatever is in the slot that it had.
    assert.equal(bench.publish(), false)
    bench.members.left(first)
    assert.equal(second.over, false)
  })

  it("a bell of a reader that came to its goal has the sender look again, although it knew that already", () => {
    const bench = new Bench()
    bench.join(7_001)
    bench.share()
    const reader = bench.open(7_001)
    later(() => reader.close())
    bench.publish()
    takeAll(reader)
    bench.members.gather()
    assert.equal(
      bench.members.await(() => 2),
      false,
    )
    // The reader has seen the first wish, and takes back the second.
    reader.moved(2)
    assert.equal(
      bench.members.await(() => 2),
      true,
    )
    bench.members.rung()
    assert.equal(bench.wentOn, 1)
  })

  it("whoever sleeps is rung for what went out just before the end", () => {
    const bench = new Bench()
    bench.join(7_001)
    bench.share()
    const reader = bench.open(7_001)
    later(() => reader.close())
    bench.publish()
    takeAll(reader)
    bench.publish()
    takeAll(reader)
    assert.ok(reader.sleep())
    assert.equal(bench.publish(), true)
    bench.members.close()
    assert.equal((bench.sent.get(7_001) as Buffer[]).filter(bytes => bytes[3] === BELL).length, 1)
    assert.equal(takeAll(reader), 1)
  })

  it("a ticket that is none opens no slot that is taken", () => {
    const bench = new Bench()
    bench.join(7_001)
    bench.share()
    const reader = bench.open(7_001)
    later(() => reader.close())
    const key = keyOf((bench.sent.get(7_001) as Buffer[])[0])
    const [place] = bench.offers(7_001)
    for (const ticket of [place.ticket, 0, place.ticket + 1])
      assert.throws(() => new NearReader(bench.native, { ...place, ticket }, key), /another memory/)
  })

  it("a heartbeat, and a sum, wait for the packets that they speak of; a sum is of no use then", async () => {
    const bench = new Bench()
    const source = "127.0.0.1 1"
    const host = {
      now: () => bench.now,
      random: () => 0.5,
      send: () => true,
      reply: () => {},
      wake: () => {},
    }
    let messages = 0
    let ended = ""
    const events = {
      session: (session: InboundSession) => {
        session.onMessage = () => messages++
        session.onEnd = reason => {
          ended = reason
        }
      },
    }
    const receiver = new GroupReceiver(host, { receiveWindow: 64 * CHUNK }, events)
    const port = {
      host: "",
      port: 7_001,
      closed: Promise.resolve(),
      start: () => {},
      close: () => {},
      send: () => true,
    }
    const senders = new NearSenders(bench.native, { now: () => bench.now, after: never }, receiver, port)
    later(() => senders.close())
    const hears = (bytes: Buffer): void => {
      if (senders.before(bytes, source)) receiver.received(bytes, source)
      senders.after(bytes, source)
    }
    bench.join(7_001)
    bench.share()
    bench.publish()
    hears(Buffer.from(bench.last))
    senders.offered((bench.sent.get(7_001) as Buffer[])[0], source)
    bench.publish()
    hears(Buffer.from(bench.last))
    const total = 500
    for (let count = 2; count < total; count++) bench.publish()
    assert.equal(messages, 2)
    const parity = Buffer.alloc(HEADER + 100)
    putStart(parity, 0, PARITY, blockFlags(4), 0, KEY)
    putU48(parity, 16, total - 3)
    putU16(parity, 24, 4)
    hears(parity)
    assert.ok(messages < total)
    const heartbeat = Buffer.alloc(HEADER)
    putStart(heartbeat, 0, HEARTBEAT, EOS, 0, KEY)
    putU48(heartbeat, 16, total)
    putU48(heartbeat, 24, 1)
    putU48(heartbeat, 32, total)
    hears(heartbeat)
    assert.ok(messages < total)
    assert.equal(receiver.stats.heartbeats, 0)
    bench.now += 100
    receiver.tick()
    assert.equal(receiver.stats.naks, 0)
    await until(() => ended !== "")
    assert.deepEqual([messages, ended, receiver.stats.gaps], [total, "ended", 0])
  })
})

describe("A multicast sender and receivers nearby", () => {
  it("whom it waits for shall ring it, however often they came to their goals while it looked", () => {
    let known: Receiver | null = null
    let position = 1
    const answers: boolean[] = []
    let now = 0
    const host = {
      now: () => now,
      random: () => 0.5,
      send: () => true,
      wake: () => {},
      nearby: {
        alone: false,
        joined: (receiver: Receiver) => {
          known = receiver
        },
        left: () => {},
        gather: (): boolean => known !== null && sender.moved(known, position),
        // For five times the reader comes to its goal just then.
        await: (goal: (receiver: Receiver) => number): boolean => {
          answers.push(answers.length < 5)
          if (known !== null && answers.length <= 5) position = goal(known)
          return answers.length <= 5
        },
      },
    }
    const window = 100_000
    const sender = new GroupSender(host, { window, datagram: 2_000 }, SESSION)
    const report = { receiver: 1, position: 1, received: 1, window, heard: 0, leaves: false, parity: true }
    sender.received(writeReport(KEY, report, []), "127.0.0.1 7001")
    // Older than its first window is a limit.
    sender.send([Buffer.alloc(1)])
    sender.flush()
    now = 1_000
    sender.tick()
    assert.equal(sender.send([Buffer.alloc(10 * window)]), false)
    assert.deepEqual(answers, [true, true, true, true, true, false])
  })
})
