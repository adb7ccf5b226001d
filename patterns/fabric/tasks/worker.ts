import { hold, release } from "../../../core/keep-alive.ts"
import { Queue } from "../../../core/queue.ts"
import type { InterestSpec } from "../interest.ts"
import type { FabricMessage } from "../message.ts"
import { encodeFailure, ownFailure } from "../requests/failures.ts"

/** What the handler of a worker gets besides the message. */
export interface TaskContext {
  /** 1 = for the first time; more: it was given to a worker before, which may have done it. */
  readonly deliveries: number
}

export type TaskHandler<T> = (message: FabricMessage<T>, task: TaskContext) => unknown

/** Says to the pusher what became of a task; a null failure = done. */
export type Acknowledge = (failure: Buffer | null, load: number) => void

export interface WorkerHost {
  /** Pushers are told that it ends; resolves when they know. */
  retire(worker: Worker): Promise<void>
  ended(worker: Worker): void
}

interface Given {
  readonly message: FabricMessage
  readonly deliveries: number
  readonly acknowledge: Acknowledge
}

/** One `work`: takes tasks, a bounded number at a time, and acknowledges each when its handler is through. */
export class Worker {
  readonly spec: InterestSpec
  /** Resolves when all peers that are known know of the worker. */
  ready: Promise<void> = Promise.resolve()
  done = 0
  failed = 0
  private readonly host: WorkerHost
  private readonly handler: TaskHandler<unknown>
  private readonly concurrency: number
  private readonly waiting = new Queue<Given>()
  private running = 0
  private advancing = false
  private ended = false
  private closing = false
  private whenIdle: (() => void)[] = []

  constructor(host: WorkerHost, spec: InterestSpec, handler: TaskHandler<unknown>, concurrency: number) {
    this.host = host
    this.spec = spec
    this.handler = handler
    this.concurrency = concurrency
    hold()
  }

  get subject(): string {
    return this.spec.pattern
  }

  get closed(): boolean {
    return this.ended || this.closing
  }

  get queued(): number {
    return this.waiting.length
  }

  get busy(): number {
    return this.running
  }

  /** @internal Pushers give each worker no more than its capacity, so the queue is bounded by their number. */
  take(message: FabricMessage, deliveries: number, acknowledge: Acknowledge): void {
    // A task that crossed with our leaving goes to another worker.
    if (this.ended) acknowledge(ended(), 0)
    else if (this.running < this.concurrency) this.run({ message, deliveries, acknowledge })
    else this.waiting.push({ message, deliveries, acknowledge })
  }

  /** No new tasks come; those at work and waiting are done. */
  async drain(): Promise<void> {
    if (this.ended) return
    if (!this.closing) {
      this.closing = true
      await this.host.retire(this)
      if (this.ended) return
      this.host.ended(this)
    }
    if (this.running > 0 || this.waiting.length > 0) await new Promise<void>(resolve => this.whenIdle.push(resolve))
    this.close()
  }

  /** Ends it: tasks that wait go to other workers; what the handler has at hand is acknowledged when it is through. */
  close(): void {
    if (this.ended) return
    this.ended = true
    this.host.ended(this)
    for (let given = this.waiting.shift(); given !== undefined; given = this.waiting.shift()) {
      given.acknowledge(ended(), 0)
    }
    release()
    for (const idle of this.whenIdle.splice(0)) idle()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private run(given: Given): void {
    this.running++
    let result: unknown
    try {
      result = this.handler(given.message, { deliveries: given.deliveries })
      if (typeof (result as Promise<unknown> | null | undefined)?.then === "function") {
        ;(result as Promise<unknown>).then(
          () => this.finished(given, null, false),
          error => this.finished(given, error, true),
        )
        return
      }
    } catch (error) {
      this.finished(given, error, true)
      return
    }
    this.finished(given, null, false)
  }

  private finished({ acknowledge }: Given, error: unknown, failed: boolean): void {
    this.running--
    if (failed) this.failed++
    else this.done++
    acknowledge(failed ? encodeFailure(error) : null, this.running + this.waiting.length)
    // Handlers that are through at once come back here: a loop, not as many calls within one another as tasks wait.
    if (this.advancing) return
    this.advancing = true
    while (this.running < this.concurrency) {
      const next = this.waiting.shift()
      if (next === undefined) break
      this.run(next)
    }
    this.advancing = false
    if (this.running === 0 && this.waiting.length === 0) for (const idle of this.whenIdle.splice(0)) idle()
  }
}

function ended(): Buffer {
  return ownFailure("ERR_NO_RESPONDERS", "the worker has ended")
}
