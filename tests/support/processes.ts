import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { later } from "./cleanup.ts"

/** A program that a test started. It is killed by its own id when the test is over, if it still runs. */
export class Program {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  /** What it has said so far. */
  output = ""
  private wake: (() => void) | null = null

  private constructor(child: ChildProcess) {
    this.child = child
    this.exited = once(child, "close").then(([code]) => code as number | null)
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.output += text
      this.wake?.()
    })
    // It may be gone when it is told something.
    child.stdin?.on("error", () => {})
    later(() => this.kill())
  }

  /**
   * Runs the text of a module. Its errors go to our own standard error. `files`: how many it may have open at once;
   * `within`: a command that runs another in its place, with its arguments.
   */
  static start(module: string, files?: number, within: readonly string[] = []): Program {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-test-"))
    const file = path.join(folder, "program.mjs")
    fs.writeFileSync(file, module)
    later(() => fs.rmSync(folder, { recursive: true, force: true }))
    const command = [...within, process.execPath, "--expose-gc", file]
    // `exec`: the child has the shell's process id, so that it is the one that signals reach.
    const [name, ...rest] =
      files === undefined ? command : ["sh", "-c", `ulimit -n ${files}; exec "$0" "$@"`, ...command]
    return new Program(spawn(name, rest, { stdio: ["pipe", "pipe", "inherit"] }))
  }

  /** Runs another command, such as java. Its errors go to our own standard error. */
  static run(command: string, args: readonly string[]): Program {
    return new Program(spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] }))
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Waits until it has said something that matches. Rejects when it ends before. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.output)
      if (match !== null) return match
      if (!this.running) throw new Error(`the program ended without saying ${pattern}; it said: ${this.output}`)
      await Promise.race([
        new Promise<void>(resolve => {
          this.wake = resolve
        }),
        this.exited,
      ])
    }
  }

  /** Writes a line to it. */
  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`)
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  async kill(): Promise<void> {
    if (this.running) this.child.kill("SIGKILL")
    await this.exited
  }
}

/** Runs the text of a module to its end. */
export async function runModule(module: string): Promise<{ code: number | null; output: string }> {
  const program = Program.start(module)
  const code = await program.exited
  return { code, output: program.output }
}
