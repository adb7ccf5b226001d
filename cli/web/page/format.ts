const STEPS = ["B", "kB", "MB", "GB", "TB"]

/** 1234567 -> "1.2 MB", powers of 1000. */
export function bytes(value: number): string {
  let rest = value
  let step = 0
  while (rest >= 999.5 && step < STEPS.length - 1) {
    rest /= 1000
    step++
  }
  return `${step === 0 || rest >= 99.95 ? rest.toFixed(0) : rest.toFixed(1)} ${STEPS[step]}`
}

/** 1234567 -> "1,234,567"; below ten with a digit behind the point. */
export function figure(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1).replace(/\.0$/, "") : whole(value)
}

/** For small places: 1234567 -> "1.2 M". */
export function short(value: number): string {
  if (value < 10_000) return figure(value)
  const units: [number, string][] = [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ]
  const [size, unit] = units.find(([least]) => value >= least) as [number, string]
  const rest = value / size
  return `${rest >= 100 ? rest.toFixed(0) : rest.toFixed(1)} ${unit}`
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString("en")
}

export function milliseconds(value: number): string {
  if (value < 1) return `${(value * 1000).toFixed(0)} µs`
  return `${value < 100 ? value.toFixed(1) : value.toFixed(0)} ms`
}

/** Time of the day, as the reader's clock has it. */
export function clock(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour12: false })
}

/** Below zero, zero or above it, as names are sorted: worker-2 comes before worker-10. */
export function compare(one: string, other: string): number {
  return NAMES.compare(one, other)
}

const NAMES = new Intl.Collator(undefined, { numeric: true })

export function plural(count: number, noun: string): string {
  return `${whole(count)} ${noun}${count === 1 ? "" : "s"}`
}
