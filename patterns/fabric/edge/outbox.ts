import type { SendResult, WebClient } from "../../../core/web.ts"
import { RecordWriter } from "./wire.ts"

/** Answers of so many bytes leave before the end of the turn. */
const FLUSH_AT = 48 * 1024

/** Writers that nobody uses now: few clients are written to in one turn. */
const writers: RecordWriter[] = []
const MOST_WRITERS = 64

/** Memory of a writer that is kept for the next client. */
const KEPT_WRITER = 64 * 1024

/** What is written to one client alone: the records of one turn leave in one WebSocket message. */
export class Outbox {
  /** Set when the WebSocket is open. */
  web: WebClient<unknown> | null = null
  /** Records are being handled: what answers them leaves when the last is done. */
  handling = false
  private readonly most: number
  private readonly overfull: () => void
  private open: RecordWriter | null = null

  /** `overfull`: more than `most` bytes wait for a client that does not read. */
  constructor(most: number, overfull: () => void) {
    this.most = most
    this.overfull = overfull
  }

  /** Where the record goes that `begin` has begun. */
  get writer(): RecordWriter {
    if (this.open === null) {
      this.open = writers.pop() ?? new RecordWriter(256)
      if (!this.handling) queueMicrotask(() => this.flush())
    }
    return this.open
  }

  /** The client does not take what is written: it goes out when it has read what it has. */
  get stuck(): boolean {
    if (this.open !== null && this.open.at >= FLUSH_AT) this.flush()
    return this.open !== null && this.open.at >= FLUSH_AT
  }

  begin(type: number): RecordWriter {
    if (this.open !== null && this.open.at >= FLUSH_AT) this.flush()
    return this.writer.begin(type)
  }

  /** Whole records, behind what was written before. */
  sendNow(bytes: Uint8Array): SendResult {
    this.flush()
    if (this.web === null || this.open !== null) return "dropped"
    return this.web.send(bytes)
  }

  flush(): void {
    const { open, web } = this
    if (open === null) return
    if (web === null || !web.open) this.clear()
    else if (open.at === 0 || web.send(open.written) !== "dropped") this.clear()
    // Otherwise it goes out when the client has read what it has.
    else if (open.at > this.most) {
      this.clear()
      this.overfull()
    }
  }

  clear(): void {
    const { open } = this
    if (open === null) return
    this.open = null
    open.clear()
    if (writers.length < MOST_WRITERS && open.bytes.length <= KEPT_WRITER) writers.push(open)
  }
}
