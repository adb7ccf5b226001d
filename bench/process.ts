import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import type { Command } from "./task.ts"

/** What a process says, one JSON object a line. */
interface Answer {
  readonly ready?: string
  readonly result?: Readonly<Record<string, number | string>>
  readonly error?: string
}

export type Result = Readonly<Record<string, number | string>>

const living = new Set<Child>()

/** Ends every process that was started here and still lives. Synchronous: it also runs when we are about to exit. */
export function stopAll(): void {
  for (const child of living) child.kill()
}

process.on("exit", stopAll)

/** Milliseconds from closing a child's stdin to killing it. It only has to notice. */
const GRACE = 3000

/** One process of a measurement, with a watchdog: whoever waits for it too long gets an error, and it is killed. */
export class Child {
  private readonly process: ChildProcess
  private readonly answers: Answer[] = []
  private waiting: (() => void) | null = null
  private readonly ended: Promise<void>
  private over: string | null = null
  private complaint = ""
  private readonly name: string
  private readonly grace: number

  constructor(name: string, command: Command, grace = GRACE) {
    this.name = name
    this.grace = grace
    this.process = spawn(command.file, command.args, { stdio: ["pipe", "pipe", "pipe"] })
    living.add(this)
    const { stdin, stdout, stderr } = this.process
    if (!stdin || !stdout || !stderr) throw new Error(`${name}: no pipes`)
    stdin.on("error", () => {}) // It may have ended before we closed its stdin.
    stderr.on("data", (data: Buffer) => {
      // The last part of what it complains of is enough to name the cause.
      this.complaint = (this.complaint + data.toString()).slice(-2000)
    })
    createInterface({ input: stdout }).on("line", line => this.hear(line))
    this.ended = new Promise(resolve => {
      const finish = (how: string) => {
        this.over ??= how
        living.delete(this)
        this.waiting?.()
        resolve()
      }
      this.process.on("error", error => finish(`could not be started: ${error.message}`))
      this.process.on("close", (code, signal) => finish(signal ? `ended by ${signal}` : `ended with code ${code}`))
    })
  }

  get pid(): number | undefined {
    return this.process.pid
  }

  /** The address that others may connect to now. */
  async ready(timeout: number): Promise<string> {
    const answer = await this.next(timeout)
    if (answer.ready === undefined) throw new Error(`${this.name}: not ready but ${JSON.stringify(answer)}`)
    return answer.ready
  }

  async result(timeout: number): Promise<Result> {
    const answer = await this.next(timeout)
    if (answer.result === undefined) throw new Error(`${this.name}: no result but ${JSON.stringify(answer)}`)
    return answer.result
  }

  /** Writes a line to its stdin and waits for the result. */
  ask(line: string | number, timeout: number): Promise<Result> {
    this.process.stdin?.write(`${line}\n`)
    return this.result(timeout)
  }

  /** Closes its stdin: no more questions. A child that owes a result still gives it. */
  hangUp(): void {
    this.process.stdin?.end()
  }

  /** Hangs up and resolves when it is gone, killed if need be. */
  async end(): Promise<void> {
    this.hangUp()
    const timer = setTimeout(() => this.kill(), this.grace)
    await this.ended
    clearTimeout(timer)
  }

  kill(): void {
    this.process.kill("SIGKILL")
  }

  private hear(line: string): void {
    let answer: Answer
    try {
      answer = JSON.parse(line) as Answer
    } catch {
      answer = { error: `said what is not JSON: ${line.slice(0, 200)}` }
    }
    this.answers.push(answer)
    this.waiting?.()
  }

  private async next(timeout: number): Promise<Answer> {
    const until = performance.now() + timeout
    while (this.answers.length === 0 && this.over === null) {
      const left = until - performance.now()
      if (left <= 0) {
        this.kill()
        await this.ended
        throw new Error(`${this.name}: no answer within ${timeout / 1000} s, killed${this.because()}`)
      }
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left)
        this.waiting = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.waiting = null
    }
    const answer = this.answers.shift()
    if (!answer) throw new Error(`${this.name}: ${this.over} before it answered${this.because()}`)
    if (answer.error !== undefined) throw new Error(`${this.name}: ${answer.error}`)
    return answer
  }

  private because(): string {
    const last = this.complaint.trim()
    return last === "" ? "" : `: ${last}`
  }
}
