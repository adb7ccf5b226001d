import { UsageError } from "../exit.ts"

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** "10m" as milliseconds; null = it is no such text. */
export function spanOf(text: string): number | null {
  const parts = /^(\d{1,9}(?:\.\d+)?)([smhd])$/.exec(text)
  return parts === null ? null : Number(parts[1]) * UNITS[parts[2]]
}

/** A date as people and programs write it, as milliseconds since 1970. Throws a `UsageError`. */
export function timeOf(text: string): number {
  const time = /^\d{12,}$/.test(text) ? Number(text) : Date.parse(text)
  if (Number.isNaN(time))
    throw new UsageError(`${text} is no time: write 2026-01-31T12:00Z, or milliseconds since 1970`)
  return time
}
