const BYTES: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

const MILLISECONDS: Readonly<Record<string, number>> = { "": 1, ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 }

function withUnit(text: string, units: Readonly<Record<string, number>>): number | null {
  const found = /^([+-]?\d{1,16}(?:\.\d{1,9})?)\s*([a-z]*)$/i.exec(text.trim())
  if (found === null) return null
  const unit = found[2].toLowerCase()
  if (!Object.hasOwn(units, unit)) return null
  const value = Number(found[1]) * units[unit]
  return Number.isSafeInteger(value) ? value : null
}

/** "8GiB" in bytes (KiB = 1,024; kB = 1,000); null when it is no whole number of them. */
export function parseBytes(text: string): number | null {
  return withUnit(text, BYTES)
}

/** "30s" in milliseconds; null when it is no whole number of them. */
export function parseDuration(text: string): number | null {
  return withUnit(text, MILLISECONDS)
}

function largest(value: number, units: readonly (readonly [string, number])[]): string {
  if (value <= 0) return String(value)
  for (const [name, size] of units) if (value % size === 0) return `${value / size}${name}`
  return String(value)
}

/** 67108864 as "64MiB", for help. */
export function formatBytes(value: number): string {
  return largest(value, [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
  ])
}

/** 60000 as "1m", for help. */
export function formatDuration(value: number): string {
  return largest(value, [
    ["d", 864e5],
    ["h", 36e5],
    ["m", 6e4],
    ["s", 1e3],
    ["ms", 1],
  ])
}
