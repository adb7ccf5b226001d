import type { Arguments } from "../task.ts"
import { ControlSender } from "./control.ts"
import type { Parent } from "./parent.ts"

/** The receiving side of paced measurements, as bench/c/fan.c: how far is every subscriber, and when were all where? */
export class FanMeter {
  private readonly size: number
  private readonly step: number
  private readonly warm: number
  private readonly end: number
  // Whole numbers, and a comparison instead of a division: the remainder of doubles cost 13 ns a message, for every peer.
  private readonly seen: Int32Array
  /** How many a subscriber will have seen when it has made its next step. */
  private readonly next: Int32Array
  /** How many subscribers have made each step. */
  private readonly reached: Uint32Array
  private readonly heard: Uint8Array
  private readonly subscribers: number
  private readonly control: ControlSender
  private ready = 0
  private received = 0
  // Times begin as doubles: what the first reading changed would be compiled anew just as the measurement begins.
  private startedAt = Number.NaN
  private startedWith = 0
  private lastAt = Number.NaN
  private lastWith = 0
  private readonly finish: () => void

  /** `finish` is called when everything has come. */
  constructor(task: Arguments, control: ControlSender, finish: () => void) {
    this.size = task.number("size")
    this.step = task.number("step")
    this.warm = task.number("warm")
    this.end = this.warm + task.number("count")
    this.subscribers = task.number("subscribers")
    this.seen = new Int32Array(this.subscribers)
    this.next = new Int32Array(this.subscribers).fill(this.step)
    this.heard = new Uint8Array(this.subscribers)
    this.reached = new Uint32Array(this.end / this.step + 1)
    this.control = control
    this.finish = finish
  }

  /** A message of `length` bytes has come to a subscriber. */
  message(subscriber: number, length: number): void {
    if (length !== this.size) {
      this.greeting(subscriber)
      return
    }
    this.received++
    const seen = ++this.seen[subscriber]
    if (seen === this.next[subscriber]) this.stepped(subscriber, seen)
  }

  /** Deliveries and seconds between the step at which all were warm and the last step seen. */
  get result(): { received: number; seconds: number; deliveries: number } {
    const { received, startedAt } = this
    if (Number.isNaN(startedAt)) return { received, seconds: 0, deliveries: 0 }
    return { received, seconds: (this.lastAt - startedAt) / 1000, deliveries: this.lastWith - this.startedWith }
  }

  private stepped(subscriber: number, seen: number): void {
    if (seen > this.end) return
    this.next[subscriber] += this.step
    this.lastAt = performance.now()
    this.lastWith = this.received
    if (++this.reached[seen / this.step] < this.subscribers) return
    this.control.tell(seen)
    if (seen === this.warm) {
      this.startedAt = this.lastAt
      this.startedWith = this.received
    }
    if (seen === this.end) this.finish()
  }

  private greeting(subscriber: number): void {
    if (this.heard[subscriber] === 1) return
    this.heard[subscriber] = 1
    if (++this.ready === this.subscribers) this.control.tell(0)
  }
}

/** Plays the receiving process: subscribes with each subscriber, and answers when all has come or the parent gives up. */
export async function receiveFan(
  task: Arguments,
  parent: Parent,
  subscribe: (meter: FanMeter, index: number) => void | Promise<void>,
): Promise<void> {
  let answered = false
  const answer = () => {
    if (!answered) parent.result(meter.result)
    answered = true
  }
  const meter = new FanMeter(task, await ControlSender.connect(task.text("control")), answer)
  parent.onHangUp(answer)
  for (let i = 0; i < task.number("subscribers"); i++) await subscribe(meter, i)
  parent.ready(null)
  await parent.gone
}
