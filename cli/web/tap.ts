import type { Fabric, FabricMessage, Subscription } from "heddle"
import { sampleOf } from "./preview.ts"
import type { Messages, Sample } from "./sheet.ts"

/** Messages that a page is shown each second: more than anybody reads. */
const SHOWN = 20

/** Messages each second that are taken at all. Publishers send no more until the next second: to look on must not cost them much. */
const TAKEN = 2_000

/** Milliseconds between two lots of messages for a page. */
const LOT = 250

/** Lots in a second. */
const LOTS = 1_000 / LOT

/** The messages of a subject for one page: sampled, in lots, for as long as the page looks. */
export class Tap {
  readonly pattern: string
  private readonly fabric: Fabric
  private readonly send: (messages: Messages) => void
  private readonly timer: NodeJS.Timeout
  private subscription: Subscription | null = null
  private samples: Sample[] = []
  private seen = 0
  private told = -1
  /** In this second. */
  private taken = 0
  private sampled = false
  private lots = 0

  /** Throws EINVAL for an invalid pattern. */
  constructor(fabric: Fabric, pattern: string, send: (messages: Messages) => void) {
    this.fabric = fabric
    this.pattern = pattern
    this.send = send
    this.open()
    this.timer = setInterval(() => this.lot(), LOT)
    this.timer.unref()
  }

  close(): void {
    clearInterval(this.timer)
    this.subscription?.unsubscribe()
    this.subscription = null
  }

  private open(): void {
    this.subscription = this.fabric.subscribe(this.pattern, message => this.take(message))
  }

  private take(message: FabricMessage): void {
    if (this.subscription === null) return
    this.seen++
    this.taken++
    // Evenly over the second, so that a burst at its beginning does not hide the rest.
    if (this.samples.length < SHOWN / LOTS) this.samples.push(sampleOf(message, this.seen))
    if (this.taken < TAKEN) return
    this.sampled = true
    this.subscription.unsubscribe()
    this.subscription = null
  }

  private lot(): void {
    if (this.told !== this.seen) {
      const { pattern, seen, sampled, samples } = this
      this.told = seen
      this.samples = []
      this.send({ pattern, seen, sampled, samples })
    }
    if (++this.lots % LOTS !== 0) return
    this.taken = 0
    if (this.subscription !== null) this.sampled = false
    else if (!this.fabric.closed) this.open()
  }
}
