/** How bad it is. A warning names something that some programs will miss; a failure, what breaks all of them. */
export type Level = "ok" | "warn" | "fail"

export interface Finding {
  /** What was looked at: "open files". */
  readonly name: string
  readonly level: Level
  /** What was found, short: a number, a version, a path. */
  readonly value: string
  /** What to do about it; present unless the level is "ok". Lines that begin with "$ " are commands. */
  readonly advice?: readonly string[]
}

export function ok(name: string, value: string): Finding {
  return { name, level: "ok", value }
}

export function warn(name: string, value: string, ...advice: string[]): Finding {
  return { name, level: "warn", value, advice }
}

export function fail(name: string, value: string, ...advice: string[]): Finding {
  return { name, level: "fail", value, advice }
}

const ORDER: readonly Level[] = ["ok", "warn", "fail"]

/** The worst of them; "ok" when there are none. */
export function worst(findings: readonly Finding[]): Level {
  return ORDER[Math.max(0, ...findings.map(({ level }) => ORDER.indexOf(level)))]
}
