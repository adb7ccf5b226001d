import type { Fabric } from "heddle"
import type { Demo } from "./subjects.ts"

/** What one process was seen doing. */
export interface Row {
  name: string
  state: string
  messages: number
  tasks: number
  answers: number
}

/** Counts what the processes say that they did. */
export class Tally {
  readonly rows = new Map<string, Row>()
  /** Messages that were handled, and reports of it that were the second for their message. */
  readonly handled = new Set<number>()
  twice = 0
  private watchers: { name: string; done(): void }[] = []

  constructor(fabric: Fabric<Demo>) {
    const { peers } = fabric
    for (const { name } of peers) this.row(name).state = "up"
    fabric.events.on("join", ({ peer }) => {
      this.row(peer.name).state = "up"
    })
    fabric.events.on("leave", ({ peer, why }) => {
      this.row(peer.name).state = why
    })
    // One slow reader of counts must not lose some: a long queue.
    const options = { limit: 1_000_000 }
    fabric.subscribe(
      "seen.handled",
      ({ fromName, data: id }) => {
        if (this.handled.has(id)) this.twice++
        this.handled.add(id)
        this.row(fromName).messages++
        if (this.watchers.length > 0) this.seen(fromName)
      },
      options,
    )
    fabric.subscribe("seen.task", ({ fromName }) => void this.row(fromName).tasks++, options)
    fabric.subscribe("seen.answer", ({ fromName }) => void this.row(fromName).answers++, options)
  }

  /** Resolves when the process has handled one more message. */
  next(name: string): Promise<void> {
    return new Promise(done => this.watchers.push({ name, done }))
  }

  private seen(name: string): void {
    for (const watcher of this.watchers) if (watcher.name === name) watcher.done()
    this.watchers = this.watchers.filter(one => one.name !== name)
  }

  private row(name: string): Row {
    let row = this.rows.get(name)
    if (row === undefined) {
      row = { name, state: "", messages: 0, tasks: 0, answers: 0 }
      this.rows.set(name, row)
    }
    return row
  }
}
