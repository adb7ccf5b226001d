import { type Limited, NEVER } from "../../../core/deadlines.ts"
import { closedError, HeddleError } from "../../../core/errors.ts"
import { hold, release } from "../../../core/keep-alive.ts"
import { Queue } from "../../../core/queue.ts"
import { choose } from "../choice.ts"
import type { Interest } from "../interest.ts"
import type { Link } from "../link/link.ts"
import { FAILED, NOTICE, TASK, WITHDRAW } from "../link/records.ts"
import { type Parcel, writeNumbers } from "../link/write.ts"
import { isUntouched, retryOf, toError } from "../requests/failures.ts"
import type { Topic } from "../topics.ts"
import { deadParcel } from "./dead-letter.ts"
import { Overdue } from "./overdue.ts"
import type { Worker } from "./worker.ts"

/** Withdrawn tasks that may lie between the others before they are cleared away. */
const STALE_MOST = 64

/** Milliseconds that a task which fails again and again waits at most, unless `retryDelay` itself is longer. */
const LONGEST = 30_000

/** What becomes of a task whose handler fails. */
export interface Retries {
  /** Times that it may be given to a worker before it counts as failed. */
  readonly most: number
  /** Milliseconds until the second time; then twice as many, and so on. 0 = at once, each time. */
  readonly delay: number
  /** Tasks for this subject are made of those that failed for good; null = they are gone. */
  readonly deadLetter: string | null
}

/** How tasks get to workers of this node itself. */
export interface LocalWorkers {
  task(worker: Worker, id: number, topic: Topic, parcel: Parcel, deliveries: number): void
  withdraw(worker: Worker, id: number): void
}

export interface TaskLimits {
  /** Tasks of this node that are not done; `push` waits beyond. */
  readonly most: number
}

/** One task, from `push` until a worker has acknowledged it. */
export class Task implements Limited {
  readonly id: number
  readonly subject: string
  /** @internal */
  readonly parcel: Parcel
  /** Times that it was given to a worker. */
  deliveries = 0
  /** @internal */
  readonly retries: Retries
  /** Times that a handler failed. */
  failures = 0
  /** Until its next turn. @internal */
  timer: NodeJS.Timeout | undefined
  /** @internal */
  worker: Interest | null = null
  /** Batch of the link that it was given with last, or an earlier one. @internal */
  batch = 0
  /** Who had it last: another one may do better. @internal */
  tried: Interest | null = null
  /** Time of its worker to answer. @internal */
  since: Limited["since"] = NEVER
  /** @internal */
  earlier: Limited | null = null
  /** @internal */
  later: Limited | null = null
  /** @internal */
  deadlines: Limited["deadlines"] = null
  private state: "open" | "done" | HeddleError = "open"
  private waiting: { resolve(): void; reject(error: Error): void }[] = []
  private readonly tasks: Tasks

  constructor(tasks: Tasks, id: number, subject: string, parcel: Parcel, retries: Retries) {
    this.tasks = tasks
    this.id = id
    this.subject = subject
    this.parcel = parcel
    this.retries = retries
  }

  /** Times that it may be given to a worker, before it counts as failed. */
  get maxDeliveries(): number {
    return this.retries.most
  }

  get finished(): boolean {
    return this.state !== "open"
  }

  /**
   * Withdraws it: `done` rejects with ECANCELED. No worker gets it any more; one that has it forgets it when its handler has not
   * begun, otherwise the handler's `task.signal` is aborted: it may have done the work. False = it was finished already.
   */
  cancel(reason?: unknown): boolean {
    if (this.finished) return false
    this.tasks.withdraw(
      this,
      new HeddleError("ECANCELED", `The task for ${this.subject} was withdrawn`, { cause: reason }),
    )
    return true
  }

  /** Resolves when a worker's handler has done it. Rejects when it failed for good (ERR_REMOTE), was withdrawn (ECANCELED), or the fabric was closed (EBADF). */
  done(): Promise<void> {
    if (this.state === "done") return Promise.resolve()
    if (this.state !== "open") return Promise.reject(this.state)
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  /** @internal */
  settle(error: HeddleError | null): void {
    if (this.finished) return
    this.state = error ?? "done"
    const { waiting } = this
    this.waiting = []
    for (const one of waiting) {
      if (error === null) one.resolve()
      else one.reject(error)
    }
  }
}

/** Tasks of one subject: those that came back from workers that are gone, and the others. */
interface Waiting {
  readonly returned: Queue<Task>
  readonly others: Queue<Task>
}

export interface TasksHost extends LocalWorkers {
  topic(subject: string): Topic
  /** A task failed for good, or goes round again. */
  failed(task: Task, error: HeddleError, again: boolean, deadLetter: string | null): void
}

/** Tasks pushed by this node: they wait for workers here, and stay until one has done them. At least once. */
export class Tasks {
  private readonly host: TasksHost
  private readonly limit: number
  private readonly open = new Map<number, Task>()
  /** Tasks without a worker, by subject: one subject without workers must not hold up the others. */
  private readonly waiting = new Map<string, Waiting>()
  private readonly forRoom = new Set<{ go(): void; fail(error: Error): void }>()
  /** Tasks that wait for their time after a failure. */
  private delayed = 0
  /** Withdrawn, and still among those that wait. */
  private stale = 0
  private readonly overdue = new Overdue(task => this.late(task))
  private whenIdle: (() => void)[] = []
  private nextId = 1
  private scheduled = false
  acknowledged = 0
  redelivered = 0
  /** Failed for good; `deadLettered`: those of them that go to another subject. */
  failed = 0
  deadLettered = 0
  /** Acknowledged after `ackWait`, which changes nothing. */
  tooLate = 0

  constructor(host: TasksHost, limit: number) {
    this.host = host
    this.limit = limit
  }

  /** Tasks not done. */
  get outstanding(): number {
    return this.open.size
  }

  get queued(): number {
    let count = this.delayed - this.stale
    for (const { returned, others } of this.waiting.values()) count += returned.length + others.length
    return count
  }

  /** Null = full. */
  tryPush(subject: string, parcel: Parcel, retries: Retries): Task | null {
    if (this.open.size >= this.limit) return null
    const task = new Task(this, this.nextId++, subject, parcel, retries)
    if (this.open.size === 0) hold()
    this.open.set(task.id, task)
    this.enqueue(task, false)
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
    for (const [subject, waiting] of this.waiting) {
      const { workers } = this.host.topic(subject)
      for (;;) {
        const queue = waiting.returned.length > 0 ? waiting.returned : waiting.others
        const task = queue.peek()
        if (task === undefined) {
          this.waiting.delete(subject)
          break
        }
        if (task.finished) {
          queue.shift()
          this.stale--
          continue
        }
        const worker = free(workers, task.tried)
        if (worker === null) break
        queue.shift()
        this.give(task, worker)
      }
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
    if (task === undefined || worker === undefined || worker === null || worker.link !== link) {
      if (this.overdue.answered(link, id) === null) return
      if ((options & FAILED) === 0) this.tooLate++
      this.dispatchSoon()
      return
    }
    this.overdue.end(task)
    worker.outstanding--
    worker.load = Math.max(0, load - worker.outstanding)
    task.worker = null
    task.tried = worker
    if ((options & FAILED) === 0) this.acknowledged++
    if ((options & FAILED) === 0 || task.finished) this.finish(task, null)
    else {
      const error = toError(`Task for ${task.subject}`, server, payload)
      // It ended before it looked at the task. One that does not say that it has ended could do this for ever.
      if (isUntouched(error) && !this.host.topic(task.subject).workers.includes(worker)) {
        task.deliveries--
        this.enqueue(task, true)
      } else {
        task.failures++
        const retry = retryOf(payload)
        if (retry === false) this.fail(task, error)
        else this.again(task, error, false, retry)
      }
    }
    this.dispatchSoon()
  }

  /** A worker is gone: what it had goes to others, in the old order, before what waits. `had`: as for `Requests.linkEnded`. */
  workerGone(match: (worker: Interest) => boolean, had = Number.POSITIVE_INFINITY): void {
    this.overdue.workerGone(match)
    for (const task of [...this.open.values()]) {
      const { worker } = task
      if (worker === null || !match(worker) || task.batch > had) continue
      this.overdue.end(task)
      worker.outstanding--
      task.worker = null
      if (task.finished) this.finish(task, null)
      else this.again(task, new HeddleError("ECONNRESET", `The worker of a task for ${task.subject} is gone`), true)
    }
    this.dispatchSoon()
  }

  /** The handler is at work and says so: its time begins again. */
  working(link: Link | null, id: number): void {
    const task = this.open.get(id)
    if (task?.worker?.link === link) this.overdue.begin(task, task.worker.spec.ackWait)
  }

  /** Resolves when every task is done, those included that are pushed meanwhile. */
  async idle(): Promise<void> {
    while (this.open.size > 0) await new Promise<void>(resolve => this.whenIdle.push(resolve))
  }

  close(): void {
    for (const task of [...this.open.values()]) this.finish(task, closedError("Fabric"))
    this.waiting.clear()
    this.overdue.clear()
    this.stale = 0
    for (const waiter of this.forRoom) waiter.fail(closedError("Fabric"))
    this.forRoom.clear()
  }

  /** @internal See `Task.cancel`. */
  withdraw(task: Task, error: HeddleError): void {
    const { worker } = task
    if (worker === null) {
      // It lies in a queue, or waits for its time.
      if (task.timer === undefined) this.stale++
      this.finish(task, error)
      if (this.stale > STALE_MOST && this.stale * 2 > this.queued) this.sweep()
      return
    }
    // It counts until the worker has answered: what it has at hand is its load.
    task.settle(error)
    this.unwanted(task, worker)
  }

  /** The worker hears that its answer is not waited for. */
  private unwanted(task: Task, worker: Interest): void {
    if (worker.link === null) this.host.withdraw(worker.owner as Worker, task.id)
    else writeNumbers(worker.link.outgoing, NOTICE, [WITHDRAW, worker.spec.id, task.id])
  }

  /** Its worker has not answered in time, and may yet: another one gets it. */
  private late(task: Task): void {
    const worker = task.worker as Interest
    task.worker = null
    task.tried = worker
    this.overdue.keeps(worker, task)
    if (task.finished) this.finish(task, null)
    else {
      this.unwanted(task, worker)
      const text = `Task for ${task.subject}: the worker has neither answered nor said that it is working within ${worker.spec.ackWait} ms (its ackWait)`
      this.again(task, new HeddleError("ETIMEDOUT", text), true)
    }
    this.dispatchSoon()
  }

  private sweep(): void {
    for (const [subject, { returned, others }] of this.waiting) {
      for (const queue of [returned, others]) {
        for (let left = queue.length; left > 0; left--) {
          const task = queue.shift() as Task
          if (!task.finished) queue.push(task)
        }
      }
      if (returned.length + others.length === 0) this.waiting.delete(subject)
    }
    this.stale = 0
  }

  private give(task: Task, worker: Interest): void {
    const { link } = worker
    const { parcel } = task
    if (link !== null && parcel.payload.length > link.info.maxPayload) {
      const text = `Task for ${task.subject}: ${parcel.payload.length} bytes; the worker ${link.name} takes ${link.info.maxPayload} (its maxPayload)`
      this.fail(task, new HeddleError("EMSGSIZE", text))
      return
    }
    task.deliveries++
    if (task.deliveries > 1) this.redelivered++
    task.worker = worker
    task.batch = link === null ? 0 : link.outgoing.sealed + 1
    worker.outstanding++
    this.overdue.begin(task, worker.spec.ackWait)
    const topic = this.host.topic(task.subject)
    if (link === null) this.host.task(worker.owner as Worker, task.id, topic, parcel, task.deliveries)
    else link.write(TASK, 0, [task.id, worker.spec.id, task.deliveries], topic, parcel)
  }

  /** `named`: milliseconds until its next turn, as its handler says; null = as its pusher does. */
  private again(task: Task, error: HeddleError, returned: boolean, named: number | null = null): void {
    if (task.deliveries >= task.retries.most) {
      this.fail(task, error)
      return
    }
    this.host.failed(task, error, true, null)
    // A worker that is gone says nothing against the task.
    const delay = returned ? 0 : (named ?? pauseAfter(task))
    if (delay === 0) this.enqueue(task, returned)
    else this.enqueueLater(task, delay)
  }

  /** For good. */
  private fail(task: Task, error: HeddleError): void {
    const { deadLetter, most, delay } = task.retries
    this.failed++
    if (deadLetter !== null) {
      this.deadLettered++
      // In its place: no more tasks are open than before.
      const dead = new Task(this, this.nextId++, deadLetter, deadParcel(task, error), { most, delay, deadLetter: null })
      this.open.set(dead.id, dead)
      this.enqueue(dead, false)
      this.dispatchSoon()
    }
    this.host.failed(task, error, false, deadLetter)
    this.finish(task, error)
  }

  private enqueueLater(task: Task, delay: number): void {
    this.delayed++
    task.timer = setTimeout(() => {
      task.timer = undefined
      this.delayed--
      this.enqueue(task, false)
      this.dispatchSoon()
    }, delay)
    // Open tasks hold the process already.
    task.timer.unref()
  }

  /** `returned`: it was given away once, and its turn has come already. */
  private enqueue(task: Task, returned: boolean): void {
    let waiting = this.waiting.get(task.subject)
    if (waiting === undefined) {
      waiting = { returned: new Queue(), others: new Queue() }
      this.waiting.set(task.subject, waiting)
    }
    ;(returned ? waiting.returned : waiting.others).push(task)
  }

  private finish(task: Task, error: HeddleError | null): void {
    this.open.delete(task.id)
    this.overdue.end(task)
    if (task.timer !== undefined) {
      clearTimeout(task.timer)
      this.delayed--
    }
    task.settle(error)
    if (this.open.size === 0) {
      release()
      for (const idle of this.whenIdle.splice(0)) idle()
    }
    for (const waiter of this.forRoom) {
      if (this.open.size >= this.limit) break
      this.forRoom.delete(waiter)
      waiter.go()
    }
  }
}

/** Half of it by chance: what failed together, for one cause, does not come back together. */
function pauseAfter({ failures, retries }: Task): number {
  const { delay } = retries
  const grown = Math.max(delay, Math.min(LONGEST, delay * 2 ** Math.min(failures - 1, 30)))
  return Math.ceil(grown * (0.5 + Math.random() / 2))
}

/** The least busy worker that takes another task now; `last` only when there is no other. */
function free(workers: readonly Interest[], last: Interest | null): Interest | null {
  const able = workers.filter(isFree)
  if (able.length <= 1 || last === null) return able.length === 0 ? null : choose(able)
  return choose(able.filter(worker => worker !== last))
}

function isFree(worker: Interest): boolean {
  if (worker.outstanding >= worker.spec.capacity) return false
  const { link } = worker
  return link === null || (link.up && !link.leaving && link.outgoing.hasRoom())
}
