import { type Deadlines, type Limited, NEVER } from "../../core/deadlines.ts"
import type { Task } from "../../patterns/fabric/tasks/tasks.ts"

/** What came of giving a message to the workers. */
export type Outcome = "acknowledged" | "late" | "abandoned" | Error

/**
 * Waits for the word of a worker about one message. An attempt that has run out of time is not forgotten: the word of any attempt that it is done
 * counts.
 */
export class Acknowledgement implements Limited {
  since: Limited["since"] = NEVER
  earlier: Limited | null = null
  later: Limited | null = null
  deadlines: Limited["deadlines"] = null
  private readonly limits: Deadlines<Acknowledgement>
  private readonly timeout: number
  private task: Task | null = null
  private acknowledged = false
  private resolve: ((outcome: Outcome) => void) | null = null

  /** `timeout`: milliseconds that a worker has. */
  constructor(limits: Deadlines<Acknowledgement>, timeout: number) {
    this.limits = limits
    this.timeout = timeout
  }

  /** The next attempt. */
  of(task: Task): Promise<Outcome> {
    this.task = task
    task.done().then(
      () => {
        this.acknowledged = true
        this.settle("acknowledged")
      },
      (error: Error) => {
        if (this.task === task) this.settle(error)
      },
    )
    if (this.acknowledged) return Promise.resolve("acknowledged")
    this.limits.enter(this, this.timeout)
    return new Promise(resolve => {
      this.resolve = resolve
    })
  }

  /** An attempt before has been acknowledged meanwhile. */
  get done(): boolean {
    return this.acknowledged
  }

  /** The time is up. It does not run while the task waits for a worker that has room. */
  expired(): void {
    if (this.resolve === null) return
    if (this.task?.deliveries === 0) this.limits.enter(this, this.timeout)
    else this.settle("late")
  }

  abandon(): void {
    this.settle("abandoned")
  }

  private settle(outcome: Outcome): void {
    this.limits.leave(this)
    const { resolve } = this
    this.resolve = null
    resolve?.(outcome)
  }
}
