/** A sender and receivers of a group, for bench/multicast/group.ts: what they are asked comes in lines. */
import { setTimeout as sleep } from "node:timers/promises"
import { Publisher, Pull, Push, Subscriber } from "heddle"
import { type Passage, repairs } from "../../multicast/delays.ts"
import type { Arguments } from "../../task.ts"
import type { Parent } from "../parent.ts"
import { ownProcessorTime } from "../publishing.ts"

/** Milliseconds of the clock that all processes of a machine share (CLOCK_MONOTONIC). */
const clock = (): number => Number(process.hrtime.bigint()) / 1e6

/** What is no message of a measurement. */
const GREETING = Buffer.from("~")
/** Milliseconds between two greetings, and between two messages of an even pace. */
const AGAIN = 20
const PACE = 1
/** Milliseconds without a message after which the rest counts as lost: longer than a gap is waited for (recoveryInterval). */
const SILENCE = 12_000

export async function groupSend(task: Arguments, parent: Parent): Promise<void> {
  const way = task.text("way")
  const socket = way === "tcp-push" ? new Push() : new Publisher({ noDrop: true, ...memoryOf(way) })
  const endpoint = task.text("endpoint")
  if (way.startsWith("multicast")) socket.connect(endpoint)
  else await socket.bind(endpoint)
  const size = task.number("size")
  const payload = Buffer.alloc(size)
  let greeting: NodeJS.Timeout | undefined
  parent.onLine(line => {
    const [word, text] = line.split(" ")
    act(word, Number(text)).then(
      result => parent.result(result),
      error => parent.failed(error),
    )
  })
  parent.ready(socket.lastEndpoint ?? endpoint)

  async function act(word: string, count: number): Promise<Record<string, number>> {
    if (word === "greet") greeting = setInterval(() => socket.trySend(GREETING), AGAIN)
    if (word === "greeted") clearInterval(greeting)
    if (word === "cpu") return { cpu: ownProcessorTime() }
    if (word === "paced") await paced(count)
    return word === "burst" ? burst(count) : {}
  }

  async function burst(count: number): Promise<Record<string, number>> {
    const [cpu, began] = [ownProcessorTime(), clock()]
    for (let i = 0; i < count; i++) if (!socket.trySend(payload)) await socket.send(payload)
    return { cpu, began }
  }

  async function paced(count: number): Promise<void> {
    const began = clock()
    for (let i = 0; i < count; i++) {
      const wait = began + i * PACE - clock()
      if (wait > 0) await sleep(wait)
      const message = Buffer.alloc(size)
      message.writeDoubleLE(clock())
      await socket.send(message)
      // Its own datagram: those that were late together would be lost together.
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  await parent.gone
}

export async function groupReceive(task: Arguments, parent: Parent): Promise<void> {
  const endpoint = task.text("endpoint")
  const way = task.text("way")
  const socket = way === "tcp-push" ? new Pull() : new Subscriber(memoryOf(way))
  const mended = (): Mended => {
    const all = { mended: 0, missed: 0 }
    for (const { mended = 0, mendedTime = 0 } of socket.stats().peers) {
      all.mended += mended
      all.missed += mendedTime
    }
    return all
  }
  const meter = new GroupMeter(task.number("size"), parent, mended)
  if (socket instanceof Subscriber) socket.subscribe()
  if (way.startsWith("multicast")) await socket.bind(endpoint)
  else socket.connect(endpoint)
  socket.consume(([message]) => meter.message(message))
  parent.onLine(line => meter.asked(line))
  parent.ready("")
  await parent.gone
}

/** "multicast-datagrams": as between machines. */
function memoryOf(way: string): { sharedMemory?: number } {
  return way === "multicast-datagrams" ? { sharedMemory: 0 } : {}
}

type Mended = Pick<Passage, "mended" | "missed">

class GroupMeter {
  private readonly size: number
  private readonly parent: Parent
  /** How many datagrams were lost and have come all the same. */
  private readonly mended: () => Mended
  private mendedBefore: Mended = { mended: 0, missed: 0 }
  private met = false
  private received = 0
  private last = 0
  private delays: Passage[] = []
  private wanted = Number.POSITIVE_INFINITY
  private timer: NodeJS.Timeout | undefined
  private waiting: (() => void) | null = null

  constructor(size: number, parent: Parent, mended: () => Mended) {
    this.size = size
    this.parent = parent
    this.mended = mended
  }

  message(bytes: Buffer): void {
    if (bytes.length !== this.size) {
      this.met = true
      this.waiting?.()
      return
    }
    this.received++
    const sent = this.size >= 8 ? bytes.readDoubleLE() : 0
    if (sent > 0) this.passed(sent)
    if (this.received < this.wanted) return
    if (this.received === this.wanted) this.last = clock()
    this.waiting?.()
  }

  private passed(sent: number): void {
    const delay = clock() - sent
    const all = this.mended()
    const { mended, missed } = this.mendedBefore
    this.delays.push({ sent, delay, mended: all.mended - mended, missed: all.missed - missed })
    this.mendedBefore = all
  }

  asked(line: string): void {
    const [word, count] = line.split(" ")
    switch (word) {
      case "begin":
        this.received = 0
        this.wanted = Number(count)
        this.delays = []
        this.mendedBefore = this.mended()
        this.parent.result({})
        break
      case "met":
        this.meet()
        break
      case "await":
        this.whole()
        break
      case "delays":
        this.parent.result({ delays: JSON.stringify(repairs(this.delays)) })
    }
  }

  /** Answers when a greeting was heard. */
  private meet(): void {
    this.waiting = () => {
      if (!this.met) return
      this.waiting = null
      this.parent.result({})
    }
    this.waiting()
  }

  /** Answers when all have come, or nothing more comes. */
  private whole(): void {
    let seen = this.received
    const answer = (): void => {
      clearInterval(this.timer)
      this.waiting = null
      this.parent.result({ received: this.received, last: this.last })
    }
    this.waiting = () => this.received >= this.wanted && answer()
    this.timer = setInterval(() => {
      if (this.received === seen) {
        this.last = clock() - SILENCE
        answer()
      }
      seen = this.received
    }, SILENCE)
    this.waiting()
  }
}
