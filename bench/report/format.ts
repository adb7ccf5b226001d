/** 16 -> "16 B", 65536 -> "64 KiB". */
export function bytes(size: number): string {
  if (size >= 1 << 20 && size % (1 << 20) === 0) return `${size >> 20} MiB`
  if (size >= 1 << 10 && size % (1 << 10) === 0) return `${size >> 10} KiB`
  return `${size} B`
}

export function size(value: number, unit: string): string {
  if (unit === "bytes") return bytes(value)
  return unit === "imports" ? "" : value.toLocaleString("en")
}

/** Three significant digits, with k, M or G from ten thousand on. */
export function figure(value: number): string {
  for (const [limit, divisor, suffix] of [
    [1e10, 1e9, "G"],
    [1e7, 1e6, "M"],
    [1e4, 1e3, "k"],
  ] as const) {
    if (Math.abs(value) >= limit) return `${digits(value / divisor)} ${suffix}`
  }
  return digits(value)
}

function digits(value: number): string {
  const size = Math.abs(value)
  if (Number.isInteger(value) || size >= 100) return value.toFixed(0)
  return value.toFixed(size >= 10 ? 1 : 2)
}

/** How a peer does beside Heddle: "x0.42". */
export function ratio(value: number | null): string {
  return value === null ? "" : `x${value >= 100 ? value.toFixed(0) : value.toFixed(2)}`
}
