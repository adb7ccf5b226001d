import { badMapping } from "./failure.ts"

/** As `fabric.id` may have: with it, and the names of bridge and connector, a hop stays short. */
const LONGEST = 64

/**
 * Which fabric this is among all that bridges connect, as hd.hops says it: `id` where the configuration names one that is not the name of
 * the fabric, otherwise the name of the fabric that was joined, escaped. Throws ERR_CONFIG when that is too long.
 */
export function fabricIdOf({ id, name }: { readonly id: string; readonly name: string }, joined: string): string {
  if (id !== name) return id
  let escaped: string | null
  try {
    escaped = encodeURIComponent(joined)
  } catch {
    // Half of a pair.
    escaped = null
  }
  if (escaped !== null && escaped.length > 0 && escaped.length <= LONGEST) return escaped
  throw badMapping(
    `The name of the fabric ${JSON.stringify(joined.slice(0, 80))} cannot stand in hd.hops (${LONGEST} characters at most, escaped); give it an id: fabric.id`,
  )
}
