/** What two ends of a connection between threads post on its port; everything else goes through the rings. */
import type { Load } from "./records.ts"

/** The other side published something, or made room, while this one slept. The smallest thing that can be posted. */
export const WAKE = 0

export interface LoadPost {
  readonly load: Load
}

/** `close(reason)` was called. Null = without a reason. */
export interface ByePost {
  readonly bye: string | null
  readonly fatal: boolean
}

/** `end` was called. The goodbye in the ring is what counts; this is for a peer that leaves too and reads no more. */
export const LEAVING_POST = "leaving"

export type Post = typeof WAKE | typeof LEAVING_POST | LoadPost | ByePost
