/** What one process of a measurement does. Every peer plays the same roles, whatever it is written in. */
export type Role =
  | "hello"
  | "stream-send"
  | "stream-receive"
  | "stream-inside"
  | "request"
  | "reply"
  | "request-inside"
  | "fan-send"
  | "fan-receive"
  | "subjects-send"
  | "subjects-receive"
  | "idle"
  | "api-serve"
  | "api-call"
  | "clients"
  | "mesh"
  | "mesh-newcomer"
  | "interests-send"
  | "interests-receive"
  | "group-send"
  | "group-receive"
  | "edge-publish"
  | "edge-echo"
  | "edge-idle"
  | "kafka-bridge"
  | "kafka-publish"
  | "kafka-load"
  | "kafka-produce"
  | "kafka-durable"
  | "kafka-spool"

export type Values = Readonly<Record<string, string | number>>

export interface Task {
  readonly role: Role
  readonly values: Values
}

/** How to start a process that does a task. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
}

/** `role key=value ...`: the form that programs in C and workers in JavaScript read alike. */
export function toArguments(task: Task): string[] {
  return [task.role, ...Object.entries(task.values).map(([key, value]) => `${key}=${value}`)]
}

/** The other direction, for workers. */
export class Arguments {
  private readonly values = new Map<string, string>()

  constructor(pairs: readonly string[]) {
    for (const pair of pairs) {
      const at = pair.indexOf("=")
      if (at < 1) throw new Error(`not key=value: ${pair}`)
      this.values.set(pair.slice(0, at), pair.slice(at + 1))
    }
  }

  text(key: string): string {
    const value = this.values.get(key)
    if (value === undefined) throw new Error(`argument ${key} is missing`)
    return value
  }

  number(key: string): number {
    const value = Number(this.text(key))
    if (!Number.isFinite(value)) throw new Error(`argument ${key} is not a number: ${this.text(key)}`)
    return value
  }
}
