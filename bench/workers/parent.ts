import { writeSync } from "node:fs"
import { createInterface } from "node:readline"
import type { Arguments, Role } from "../task.ts"

/** What a family can do; a process plays one of them. */
export type Roles = Partial<Record<Role, (task: Arguments, parent: Parent) => Promise<void>>>

/** The parent process, as a worker sees it. */
export class Parent {
  /** Resolves when the parent wants no more of us; the process ends soon after, see `lastWord`. */
  readonly gone: Promise<void>
  /** Called for each line that the parent writes. Lines that came before it was set are kept. */
  private listener: ((line: string) => void) | null = null
  private readonly early: string[] = []
  private lastWord: () => void = () => {}

  constructor() {
    const lines = createInterface({ input: process.stdin })
    lines.on("line", line => {
      if (this.listener) this.listener(line)
      else this.early.push(line)
    })
    this.gone = new Promise(resolve => {
      lines.on("close", () => {
        resolve()
        this.lastWord()
        process.exit()
      })
    })
  }

  onLine(listener: (line: string) => void): void {
    this.listener = listener
    for (const line of this.early.splice(0)) listener(line)
  }

  /** Called once when the parent hangs up, just before the process ends. */
  onHangUp(lastWord: () => void): void {
    this.lastWord = lastWord
  }

  ready(endpoint: string | null): void {
    this.say({ ready: endpoint ?? "" })
  }

  result(result: Record<string, number | string>): void {
    this.say({ result })
  }

  /** Something went wrong: nothing that is measured after it counts. */
  failed(error: unknown): never {
    this.say({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) })
    process.exit(1)
  }

  private say(answer: object): void {
    // At once, whatever the event loop is busy with.
    writeSync(1, `${JSON.stringify(answer)}\n`)
  }
}

process.on("unhandledRejection", error => {
  writeSync(1, `${JSON.stringify({ error: String(error) })}\n`)
  process.exit(1)
})
