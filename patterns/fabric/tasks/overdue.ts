import { Deadlines } from "../../../core/deadlines.ts"
import type { Interest } from "../interest.ts"
import type { Link } from "../link/link.ts"
import type { Task } from "./tasks.ts"

/** How long workers may take to answer (`ackWait`), and who has in hand what another one does now. */
export class Overdue {
  private readonly limits: Deadlines<Task>
  /** By number of the task. Each still takes up room of its worker: one that hangs gets no more than its capacity. */
  private readonly late = new Map<number, Interest[]>()

  /** `expired`: the worker of the task has not answered in time. */
  constructor(expired: (task: Task) => void) {
    this.limits = new Deadlines(expired)
  }

  /** The time of a task begins, or begins again. */
  begin(task: Task, ackWait: number | undefined): void {
    this.limits.leave(task)
    if (ackWait !== undefined && ackWait > 0) this.limits.enter(task, ackWait)
  }

  /** The worker has answered, or nobody waits. */
  end(task: Task): void {
    this.limits.leave(task)
  }

  keeps(worker: Interest, task: Task): void {
    const workers = this.late.get(task.id)
    if (workers === undefined) this.late.set(task.id, [worker])
    else workers.push(worker)
  }

  /** Who had the task and answers only now; null = nobody of that link. */
  answered(link: Link | null, id: number): Interest | null {
    const workers = this.late.get(id)
    const at = workers?.findIndex(worker => worker.link === link) ?? -1
    if (workers === undefined || at < 0) return null
    const [worker] = workers.splice(at, 1)
    if (workers.length === 0) this.late.delete(id)
    worker.outstanding--
    return worker
  }

  workerGone(match: (worker: Interest) => boolean): void {
    for (const [id, workers] of this.late) {
      const left = workers.filter(worker => !match(worker))
      for (const worker of workers) if (match(worker)) worker.outstanding--
      if (left.length === 0) this.late.delete(id)
      else this.late.set(id, left)
    }
  }

  clear(): void {
    this.limits.clear()
    this.late.clear()
  }
}
