/** What the processes of the demo say to one another. */
import type { Exchange } from "heddle"
import type { Flight } from "../flights/records.ts"

export interface Demo {
  /** From publishers to one of the workers: one subject for each airport. The id is unique over all publishers. */
  "flight.*": Flight
  /** A question that one of the workers answers. */
  "ask.delay": Exchange<string, number>
  /** A task that one of the workers does. */
  "report.write": number

  // To the main process, which counts.
  "seen.handled": number
  "seen.task": number
  "seen.answer": number
  /** A publisher's link to this process broke: from now on the others get its share. */
  "seen.down": string

  // From the main process.
  "publishers.go": Exchange<null, null>
  /** The reply says how many were published. */
  "publishers.stop": Exchange<null, number>
  /** The reply says how many questions were answered, and which errors there were on the way. */
  "asker.stop": Exchange<null, { answered: number; errors: string[] }>
  /** The reply comes behind all that was said before. */
  "workers.stop": Exchange<null, null>
}

/** Queue group of the workers: each message to one of them. */
export const WORKERS = "workers"
