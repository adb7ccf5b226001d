import type { KafkaHeader } from "./driver.ts"

/** Headers that many records have in common, as one object: whoever writes records down needs to look at them once. */
export class SharedHeaders {
  readonly list: readonly KafkaHeader[]
  /** Name of one header more, whose value is the record's `number` in digits; for records that have one. */
  readonly numbered: string
  /** The form of the one who writes, kept here by it. */
  encoded: Buffer | null = null

  constructor(list: readonly KafkaHeader[], numbered: string) {
    this.list = list
    this.numbered = numbered
  }
}
