/** What the processes of the fabric say to one another, and how each of them lives. */
import { Push, Subscriber } from "heddle"
import type { Figures } from "./figures.ts"
import type { Part } from "./records.ts"

export interface PublisherTask {
  role: "publisher"
  parts: Part[]
  subscribers: number
  workers: number
}

export interface SubscriberTask {
  role: "subscriber"
  /** Subject prefixes. */
  wants: string[]
  events: string[]
}

export interface WorkerTask {
  role: "worker"
  tasks: string[]
  results: string
}

export interface ServiceTask {
  role: "service"
  questions: string
}

/** `control` tells to stop, `reports` takes what is seen on the way. */
export type Task = (PublisherTask | SubscriberTask | WorkerTask | ServiceTask) & {
  name: string
  control: string
  reports: string
}

/** Sent to the main process now and then, and once at the end. */
export interface Report {
  name: string
  received: number
  sent: number
  figures?: Figures
  /** Where a process listens, once it does. */
  addresses?: string[]
  done?: boolean
}

/** Subject of the last message of a publisher. */
export const END = "end"

const REPORT_EVERY = 200 // milliseconds

/** Line to the main process: reports out, the word to stop in. */
export class Line {
  readonly state: Report
  /** Resolves when the main process has seen enough. */
  readonly stopped: Promise<void>
  private readonly reports = new Push()
  private readonly control = new Subscriber()
  private readonly timer: NodeJS.Timeout

  constructor(task: Task) {
    this.state = { name: task.name, received: 0, sent: 0 }
    this.reports.connect(task.reports)
    this.control.connect(task.control)
    this.control.subscribe("stop")
    this.stopped = this.control.receive().then(() => {})
    this.timer = setInterval(() => void this.report(), REPORT_EVERY)
  }

  report(more: Partial<Report> = {}): Promise<void> {
    Object.assign(this.state, more)
    return this.reports.send(JSON.stringify(this.state))
  }

  async close(): Promise<void> {
    clearInterval(this.timer)
    // The main process has stopped listening: what it did not hear it does not need.
    await Promise.all([this.reports.close({ linger: 0 }), this.control.close()])
  }
}
