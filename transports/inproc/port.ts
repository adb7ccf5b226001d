/** What two ends of a connection between threads post on its port; everything else goes through the rings. */

/** The other side published something, or made room, while this one slept. The smallest thing that can be posted. */
export const WAKE = 0

/** A message with frames in shared memory, which need no copy; its record follows in the ring. */
export interface FramesPost {
  readonly frames: readonly Uint8Array[]
}

/** `close(reason)` was called. Null = without a reason. */
export interface ByePost {
  readonly bye: string | null
  readonly fatal: boolean
}

/** `end` was called. The goodbye in the ring is what counts; this is for a peer that leaves too and reads no more. */
export const LEAVING_POST = "leaving"

export type Post = typeof WAKE | typeof LEAVING_POST | FramesPost | ByePost
