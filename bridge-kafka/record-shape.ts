import { Buffer } from "node:buffer"
import { slotOf } from "./mapping/partition.ts"
import type { SharedHeaders } from "./shared-headers.ts"

/** What records of one kind have in common: all but value, time and number. Made once; each record is written down as its value in this frame. */
export class RecordShape {
  readonly topic: string
  readonly key: Buffer | null
  /** With the record's number behind them. */
  readonly headers: SharedHeaders
  /** Of a topic with `partitions` of them. */
  partition = -1
  partitions = 0
  /** The form of the one who writes, kept here by it. */
  encoded: object | null = null
  /** Decides where there is no key. */
  private readonly subject: string
  /** -1 = by the key. */
  private readonly wanted: number
  /** Counts what it makes. */
  readonly route: { records: number }

  constructor(
    subject: string,
    topic: string,
    partition: number,
    key: Buffer | null,
    headers: SharedHeaders,
    route: { records: number },
  ) {
    this.subject = subject
    this.topic = topic
    this.wanted = partition
    this.key = key
    this.headers = headers
    this.route = route
  }

  /** The topic has so many partitions. */
  place(partitions: number): void {
    this.partitions = partitions
    this.partition = partitionOf(this.wanted, this.key, this.subject, partitions)
  }
}

/** Without a key the subject decides, so that its order is kept. A partition that there is not is taken modulo. */
export function partitionOf(wanted: number, key: Buffer | null, subject: string, partitions: number): number {
  return wanted >= 0 ? wanted % partitions : slotOf(key ?? Buffer.from(subject), partitions)
}
