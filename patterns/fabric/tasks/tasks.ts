import { closedError, HeddleError } from "../../../core/errors.ts"
import { hold, release } from "../../../core/keep-alive.ts"
import { Queue } from "../../../core/queue.ts"
import { choose } from "../choice.ts"
import type { Interest } from "../interest.ts"
import type { Link } from "../link/link.ts"
import { FAILED, TASK } from "../link/records.ts"
import type { Parcel } from "../link/write.ts"
import { toError } from "../requests/failures.ts"
import type { Topic } from "../topics.ts"
import type { Worker } from "./worker.ts"

/** How tasks get to workers of this node itself. */
export interface LocalWorkers {
  task(worker: Worker, id: number, topic: Topic, parcel: Parcel, deliveries: number): void
}

export interface TaskLimits {
  /** Tasks of this node that are not done; `push` waits beyond. */
  readonly most: number
}

/** One task, from `push` until a worker has acknowledged it. */
export class Task {
  readonly id: number
  readonly subject: string
  /** @internal */
  readonly parcel: Parcel
  /** Times that it was given to a worker. */
  deliveries = 0
  /** Times that it may be, before it counts as failed. */
  readonly maxDeliveries: number
  /** @internal */
  worker: Interest | null = null
  /** @internal */
  queued = false
  private state: "open" | "done" | HeddleError = "open"
  private waiting: { resolve(): void; reject(error: Error): void }[] = []

  constructor(id: number, subject: string, parcel: Parcel, maxDeliveries: number) {
    this.id = id
    this.subject = subject
    this.parcel = parcel
    this.maxDeliveries = maxDeliveries
  }

  get finished(): boolean {
    return this.state !== "open"
  }

  /** Resolves when a worker's handler has done it. Rejects when it failed for good (ERR_REMOTE), or the fabric was closed (EBADF). */
  done(): Promise<void> {
    if (this.state === "done") return Promise.resolve()
    if (this.state !== "open") return Promise.reject(this.state)
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  /** @internal */
  settle(error: HeddleError | null): void {
    this.state = error ?? "done"
    const { waiting } = this
    this.waiting = []
    for (const one of waiting) {
      if (error === null) one.resolve()
      else one.reject(error)
    }
  }
}

export interface TasksHost extends LocalWorkers {
  topic(subject: string): Topic
  /** A task failed for good, or goes round again. */
  failed(task: Task, error: HeddleError, again: boolean): void
}

/** Tasks pushed by this node: they wait for workers here, and stay until one has done them. At least once. */
export class Tasks {
  private readonly host: TasksHost
  private readonly limit: number
  private readonly open = new Map<number, Task>()
  /** Tasks without a worker, by subject: one subject without workers must not hold up the others. */
  private readonly waiting = new Map<string, Queue<Task>>()
  private readonly forRoom = new Set<{ go(): void; fail(error: Error): void }>()
  private nextId = 1
  private scheduled = false
  acknowledged = 0
  redelivered = 0

  constructor(host: TasksHost, limit: number) {
    this.host = host
    this.limit = limit
  }

  /** Tasks not done. */
  get outstanding(): number {
    return this.open.size
  }

  get queued(): number {
    let count = 0
    for (const queue of this.waiting.values()) count += queue.length
    return count
  }

  /** Null = full. */
  tryPush(subject: string, parcel: Parcel, maxDeliveries: number): Task | null {
    if (this.open.size >= this.limit) return null
    const task = new Task(this.nextId++, subject, parcel, maxDeliveries)
    if (this.open.size === 0) hold()
    this.open.set(task.id, task)
    this.enqueue(task)
    this.dispatchSoon()
    return task
  }

  /** Calls `go` when there is room; `fail` when the fabric is closed before. Returns how to stop waiting. */
  whenRoom(waiter: { go(): void; fail(error: Error): void }): () => void {
    this.forRoom.add(waiter)
    return () => this.forRoom.delete(waiter)
  }

  /** Gives what waits to workers that have room. Called when workers come or are done. */
  dispatch(): void {
    this.scheduled = false
    for (const [subject, queue] of this.waiting) {
      const { workers } = this.host.topic(subject)
      while (queue.length > 0) {
        const worker = free(workers)
        if (worker === null) break
        const task = queue.shift() as Task
        task.queued = false
        if (!task.finished) this.give(task, worker, workers)
      }
      if (queue.length === 0) this.waiting.delete(subject)
    }
  }

  /** Soon, once for many reasons. */
  dispatchSoon(): void {
    if (this.scheduled || this.waiting.size === 0) return
    this.scheduled = true
    process.nextTick(() => this.dispatch())
  }

  /** A worker says what became of a task. `load`: how much it has to do, for others too. */
  result(link: Link | null, id: number, options: number, load: number, payload: Buffer, server: string): void {
    const task = this.open.get(id)
    const worker = task?.worker
    if (task === undefined || worker === undefined || worker === null || worker.link !== link) return
    worker.outstanding--
    worker.load = Math.max(0, load - worker.outstanding)
    task.worker = null
    if ((options & FAILED) === 0) {
      this.acknowledged++
      this.finish(task, null)
    } else this.again(task, toError(`Task for ${task.subject}`, server, payload))
    this.dispatchSoon()
  }

  /** A worker is gone: what it had goes to others, in the old order, before what waits. */
  workerGone(match: (worker: Interest) => boolean): void {
    const lost = [...this.open.values()].filter(task => task.worker !== null && match(task.worker))
    for (const task of lost) {
      ;(task.worker as Interest).outstanding--
      task.worker = null
      this.again(task, new HeddleError("ECONNRESET", `The worker of a task for ${task.subject} is gone`))
    }
    this.dispatchSoon()
  }

  /** Resolves when every task is done. */
  async idle(): Promise<void> {
    await Promise.all([...this.open.values()].map(task => task.done().catch(() => {})))
  }

  close(): void {
    for (const task of [...this.open.values()]) this.finish(task, closedError("Fabric"))
    this.waiting.clear()
    for (const waiter of this.forRoom) waiter.fail(closedError("Fabric"))
    this.forRoom.clear()
  }

  private give(task: Task, worker: Interest, workers: readonly Interest[]): void {
    task.deliveries++
    if (task.deliveries > 1) this.redelivered++
    task.worker = worker
    worker.outstanding++
    const topic = this.host.topic(task.subject)
    if (worker.link === null) this.host.task(worker.owner as Worker, task.id, topic, task.parcel, task.deliveries)
    else worker.link.write(TASK, 0, [task.id, worker.spec.id, task.deliveries], topic, task.parcel)
    void workers
  }

  private again(task: Task, error: HeddleError): void {
    if (task.deliveries >= task.maxDeliveries) {
      this.host.failed(task, error, false)
      this.finish(task, error)
      return
    }
    this.host.failed(task, error, true)
    this.enqueue(task)
  }

  private enqueue(task: Task): void {
    let queue = this.waiting.get(task.subject)
    if (queue === undefined) {
      queue = new Queue()
      this.waiting.set(task.subject, queue)
    }
    task.queued = true
    queue.push(task)
  }

  private finish(task: Task, error: HeddleError | null): void {
    this.open.delete(task.id)
    task.settle(error)
    if (this.open.size === 0) release()
    for (const waiter of this.forRoom) {
      if (this.open.size >= this.limit) break
      this.forRoom.delete(waiter)
      waiter.go()
    }
  }
}

/** The least busy worker that takes another task now. */
function free(workers: readonly Interest[]): Interest | null {
  const able = workers.filter(isFree)
  return able.length === 0 ? null : choose(able)
}

function isFree(worker: Interest): boolean {
  if (worker.outstanding >= worker.spec.capacity) return false
  const { link } = worker
  return link === null || (link.up && !link.leaving && link.outgoing.hasRoom())
}
