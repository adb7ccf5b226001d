import { HeddleError } from "../errors.ts"

/** What `publish` throws for a value that its codec cannot take. */
export function unserialisable(codec: string, why: string, value: unknown, cause?: unknown): HeddleError {
  const kind =
    value === null ? "null" : typeof value === "object" ? (value.constructor?.name ?? "object") : typeof value
  return new HeddleError(
    "EINVAL",
    `A value (${kind}) cannot be serialised by the codec "${codec}": ${why}; convert it first, or choose another codec`,
    { cause },
  )
}

/** What a receiver gets for a payload that its codec cannot read: the sender is at fault. */
export function undecodable(codec: string, why: string, cause?: unknown): HeddleError {
  return new HeddleError("ERR_CODEC", `A payload cannot be decoded by the codec "${codec}": ${why}`, { cause })
}
