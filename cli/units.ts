/** 1234567 -> "1,234,567". */
export function whole(value: number): string {
  return Math.round(value).toLocaleString("en")
}

const STEPS = ["B", "kB", "MB", "GB", "TB"]

/** 1234567 -> "1.2 MB", powers of 1000. */
export function bytes(value: number): string {
  let step = 0
  let rest = value
  while (rest >= 999.5 && step < STEPS.length - 1) {
    rest /= 1000
    step++
  }
  return `${step === 0 || rest >= 99.95 ? rest.toFixed(0) : rest.toFixed(1)} ${STEPS[step]}`
}

/** Milliseconds for people: "12 s", "3 min 20 s". */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

export function plural(count: number, noun: string): string {
  return `${whole(count)} ${noun}${count === 1 ? "" : "s"}`
}
