import type { Addon } from "./addon.ts"
import { loadNative, nativeStatus } from "./native.ts"

/** Deno 2.9 does not tell the descriptors of its sockets. */
const HIDDEN = process.versions.deno !== undefined

/** The addon, for what it does to sockets of the runtime by their descriptors; null where there are none to be had, or no addon. */
export function nativeForSockets(): Addon | null {
  return HIDDEN ? null : loadNative()
}

/** Why it is null, in words for users. */
export function whyNotForSockets(): string {
  return HIDDEN ? "Deno does not tell the descriptors of sockets; run it on Node" : nativeStatus().reason
}
