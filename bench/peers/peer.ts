import type { Command, Task } from "../task.ts"

/** One library (or plain sockets) that is measured: it knows HOW, a scenario knows WHAT. */
export interface Peer {
  /** What `--peers` takes, and the first word of its label in tables. */
  readonly family: string
  /**
   * The ways in which it is measured in a scenario; `""` when there is but one, none when nobody would look for it
   * there. A text instead is the reason why it is not measured there, for people.
   */
  ways(scenario: string): readonly string[] | string
  /** Compiles, looks up, starts what it needs, once. Resolves with its version; rejects with why it is not here. */
  prepare(): Promise<string>
  command(task: Task, way: string): Command
  /** What `import()` takes in a fresh process; null when it is not a module of Node. */
  readonly module: string | null
  stop(): Promise<void>
}

/** A peer in one of its ways. */
export interface Contestant {
  readonly peer: Peer
  readonly way: string
  readonly label: string
}

export function contestant(peer: Peer, way: string): Contestant {
  return { peer, way, label: way === "" ? peer.family : `${peer.family} (${way})` }
}

/** A scenario of subjects, calls, topics and groups: others than the sockets' peers are looked for there. */
export function isService(scenario: string): boolean {
  return /^(api|edge|fabric|kafka|multicast)-/.test(scenario)
}

/** Does `--peers` name it? By family, or by label for one way only. */
export function named(names: readonly string[] | null, who: Contestant): boolean {
  return names === null || names.includes(who.peer.family) || names.includes(who.label)
}
