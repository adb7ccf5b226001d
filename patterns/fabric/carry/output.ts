import type { Connection } from "../../../core/contract.ts"
import { fromSystem } from "../../../core/errors.ts"
import type { Parcel } from "../link/write.ts"
import type { Topic } from "../topics.ts"
import { BEACON, HEAD_SIZE, writeHead } from "./batch.ts"
import type { CarryGroup } from "./options.ts"
import type { CarryPort } from "./port.ts"
import { Retry } from "./retry.ts"
import { CarryWindow } from "./window.ts"
import { BatchWriter } from "./writer.ts"

/** Milliseconds between the first beacons, and after a newcomer. */
const SOON = 20
const FIRST_BEACONS = 3
/** Milliseconds that more than half of the window may wait to be taken: a burst is no reason to give the group up. */
const PRESSED = 100

export interface OutputOwner {
  /** The port is open, beacons go out. */
  opened(): void
  /** The group takes no more, or its port has failed. `retry` says when it may be used again. */
  slow(): void
  broken(): void
}

let dirty: GroupOutput[] = []

function flushAll(): void {
  const outputs = dirty
  dirty = []
  for (const output of outputs) output.flush()
}

/** The way from this node to a group: numbered messages in batches, one batch a tick or a full chunk, and beacons. */
export class GroupOutput {
  readonly window: CarryWindow
  /** When a group that failed may be used again. */
  readonly retry: Retry
  private readonly group: CarryGroup
  private readonly port: CarryPort
  private readonly owner: OutputOwner
  private readonly token: Buffer
  private readonly writer: BatchWriter
  private readonly limit: number
  private connection: Connection | null = null
  private opening: AbortController | null = null
  private flowing = false
  private isDirty = false
  /** More than half of the window waits. */
  private pressed: NodeJS.Timeout | undefined
  /** Batches that the group had taken at the last tick. */
  private takenThen = 0
  private soon: NodeJS.Timeout | undefined
  private beacons = 0
  private over = false

  constructor(group: CarryGroup, port: CarryPort, token: Buffer, owner: OutputOwner) {
    this.group = group
    this.port = port
    this.owner = owner
    this.token = token
    this.writer = new BatchWriter(token)
    this.limit = port.settings.resumeBytes
    this.window = new CarryWindow(this.limit)
    this.retry = new Retry(group.probe)
  }

  get open(): boolean {
    return this.connection !== null
  }

  /** Number of the last message. */
  get last(): number {
    return this.writer.last
  }

  /** False: nothing was taken, the window is full of what the group has not taken. */
  publish(topic: Topic, parcel: Parcel): boolean {
    const { writer } = this
    if (this.window.unsentBytes >= this.limit) return false
    if (writer.isOpen && !writer.fits(topic, parcel)) this.seal(null)
    if (writer.write(topic, parcel)) this.seal(parcel.payload)
    if (!this.isDirty) {
      this.isDirty = true
      if (dirty.push(this) === 1) process.nextTick(flushAll)
    }
    return true
  }

  /** All that was published is in the window, and on its way as far as the group takes it. */
  flush(): void {
    this.isDirty = false
    if (this.writer.isOpen) this.seal(null)
    this.connection?.flush?.()
  }

  /** Once in each beat. */
  tick(): void {
    const { taken, unsent } = this.window
    const stuck = unsent > 0 && taken === this.takenThen
    this.takenThen = taken
    if (stuck) this.slow()
    this.beacon()
  }

  /** Opens the port, when it may be. */
  begin(): void {
    if (this.over || this.open || this.opening !== null || !this.retry.isDue) return
    const abort = new AbortController()
    this.opening = abort
    this.port.dial(this.group, abort.signal).then(
      connection => this.opened(connection),
      error => {
        this.opening = null
        if (!this.over) this.failed(error)
      },
    )
  }

  /** A beacon for a newcomer: several that come at once share it. */
  beaconSoon(): void {
    if (this.soon !== undefined || !this.open) return
    this.soon = setTimeout(() => {
      this.soon = undefined
      this.beacon()
      if (--this.beacons > 0) this.beaconSoon()
    }, SOON)
    this.soon.unref()
  }

  close(): void {
    clearTimeout(this.soon)
    clearTimeout(this.pressed)
    this.soon = undefined
    this.pressed = undefined
    const { connection } = this
    this.connection = null
    this.flowing = false
    connection?.close()
  }

  /** For good. */
  end(): void {
    this.over = true
    this.opening?.abort()
    this.close()
  }

  private opened(connection: Connection): void {
    this.opening = null
    if (this.over) {
      connection.close()
      return
    }
    this.connection = connection
    this.flowing = true
    connection.start({
      message: () => {},
      controlReceived: () => {},
      drain: () => {
        if (this.connection !== connection) return
        this.flowing = true
        this.pump()
      },
      closed: reason => {
        if (this.connection !== connection) return
        this.close()
        this.failed(reason)
        this.owner.broken()
      },
    })
    this.owner.opened()
    this.beacons = FIRST_BEACONS
    this.beacon()
    this.beaconSoon()
  }

  private failed(error: unknown): void {
    this.retry.later()
    if (error !== undefined) this.port.warn(fromSystem(error, "publish to the group", this.group.href))
  }

  private beacon(): void {
    // What waits says more than a beacon behind it.
    if (this.connection === null || !this.flowing || this.window.unsent > 0 || this.writer.isOpen) return
    const bytes = Buffer.allocUnsafe(HEAD_SIZE)
    const head = { kind: BEACON, token: "", number: this.last, count: this.port.beat, structures: 0 }
    writeHead(head, this.token, bytes, 0)
    this.flowing = this.connection.send([bytes])
    this.connection.flush?.()
  }

  private seal(payload: Buffer | null): void {
    this.window.push(this.writer.seal(payload))
    this.pump()
    if (!this.isPressed || this.pressed !== undefined) return
    this.pressed = setTimeout(() => {
      this.pressed = undefined
      if (this.isPressed) this.slow()
    }, PRESSED)
    this.pressed.unref()
  }

  private get isPressed(): boolean {
    return this.window.unsentBytes > this.limit / 2
  }

  private slow(): void {
    if (!this.retry.isDue) return
    this.retry.later()
    this.owner.slow()
  }

  private pump(): void {
    const { connection, window } = this
    if (connection === null) return
    while (this.flowing && window.unsent > 0) {
      const { bytes, payload } = window.next()
      this.flowing = connection.send(payload === null ? [bytes] : [bytes, payload])
    }
  }
}
