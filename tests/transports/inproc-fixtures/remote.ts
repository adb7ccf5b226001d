/** The test's side of peer.ts. */
import { Worker } from "node:worker_threads"
import type { InprocOptions } from "../../../transports/inproc/index.ts"
import type { Command, Report } from "./peer.ts"

const open = new Set<Remote>()

export class Remote {
  readonly worker: Worker
  exited = false
  private nextId = 1
  private readonly waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()

  constructor(options: InprocOptions = {}) {
    this.worker = new Worker(new URL("./peer.js", import.meta.url), { workerData: options })
    open.add(this)
    this.worker.on("message", (answer: { id: number; value?: unknown; error?: string }) => {
      const pending = this.waiting.get(answer.id)
      this.waiting.delete(answer.id)
      if (answer.error !== undefined) pending?.reject(Object.assign(new Error(answer.error), { code: answer.error }))
      else pending?.resolve(answer.value)
    })
    const fail = (error: Error): void => {
      for (const pending of this.waiting.values()) pending.reject(error)
      this.waiting.clear()
    }
    this.worker.on("error", fail)
    this.worker.on("exit", code => {
      this.exited = true
      open.delete(this)
      fail(new Error(`The worker ended with ${code}`))
    })
  }

  tell(command: Command): Promise<unknown> {
    const id = this.nextId++
    this.worker.postMessage({ id, command })
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }))
  }

  /** Resolves when the worker is busy; `done` when it is not any more. */
  async block(milliseconds: number): Promise<{ done: Promise<unknown> }> {
    const blocking = new Promise<void>(resolve => {
      const hear = (message: unknown): void => {
        if (message !== "blocking") return
        this.worker.off("message", hear)
        resolve()
      }
      this.worker.on("message", hear)
    })
    const done = this.tell({ do: "block", milliseconds })
    // Whoever terminates the worker meanwhile need not wait for it.
    done.catch(() => {})
    await blocking
    return { done }
  }

  report(): Promise<Report> {
    return this.tell({ do: "report" }) as Promise<Report>
  }

  /** Asks until the report is as wanted; a watchdog of 30 s. */
  async reported(condition: (report: Report) => boolean, what: string): Promise<Report> {
    const deadline = performance.now() + 30_000
    for (;;) {
      const report = await this.report()
      if (condition(report)) return report
      if (performance.now() > deadline) throw new Error(`Waited in vain: ${what}: ${JSON.stringify(report)}`)
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  }

  async stop(): Promise<void> {
    await this.worker.terminate()
  }
}

export async function stopAll(): Promise<void> {
  await Promise.all([...open].map(remote => remote.stop()))
}
