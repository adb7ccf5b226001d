/** The real command in processes of its own, as a shell runs it. */
import assert from "node:assert/strict"
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { later } from "../support/cleanup.ts"
import { until } from "../support/wait.ts"

const SCRIPT = fileURLToPath(new URL("../../cli/heddle.js", import.meta.url))

/** A started process; what it prints is kept. It is killed after the test when it still runs. */
export class Running {
  readonly child: ChildProcess
  /** Exit code, or the signal that ended it, once its output is complete. */
  readonly ended: Promise<number | string>
  private readonly out: Buffer[] = []
  private readonly err: Buffer[] = []

  constructor(file: string, args: readonly string[], options: SpawnOptions = {}) {
    this.child = spawn(file, args, { stdio: "pipe", ...options })
    this.child.stdout?.on("data", (chunk: Buffer) => this.out.push(chunk))
    this.child.stderr?.on("data", (chunk: Buffer) => this.err.push(chunk))
    // Its end may come before ours has written everything.
    this.child.stdin?.on("error", () => {})
    this.ended = new Promise(resolve => this.child.once("close", (code, signal) => resolve(code ?? signal ?? "lost")))
    later(async () => {
      this.kill(options.detached === true)
      await this.ended
    })
  }

  get bytes(): Buffer {
    return Buffer.concat(this.out)
  }

  get text(): string {
    return this.bytes.toString()
  }

  get errors(): string {
    return Buffer.concat(this.err).toString()
  }

  /** All of its stdin. */
  feed(input: string | Buffer): this {
    this.child.stdin?.end(input)
    return this
  }

  signal(name: "SIGINT" | "SIGTERM"): void {
    this.child.kill(name)
  }

  /** Resolves when it has printed this, on whichever stream. */
  async prints(what: string): Promise<void> {
    await until(() => this.text.includes(what) || this.errors.includes(what))
  }

  private kill(group: boolean): void {
    const { pid, exitCode, signalCode } = this.child
    if (pid === undefined) return
    try {
      if (group) process.kill(-pid, "SIGKILL")
      else if (exitCode === null && signalCode === null) this.child.kill("SIGKILL")
    } catch {
      // Nobody of the group is left.
    }
  }

  /** It must end by itself, with this code. */
  async ends(code: number): Promise<this> {
    const found = await this.ended
    assert.equal(found, code, `exit ${found}, wanted ${code}; it said: ${this.errors}`)
    return this
  }
}

export function heddle(...args: string[]): Running {
  return new Running(process.execPath, [SCRIPT, ...args])
}

/** The same with these variables in its environment. */
export function heddleWith(env: Readonly<Record<string, string>>, ...args: string[]): Running {
  return new Running(process.execPath, [SCRIPT, ...args], { env: { ...process.env, ...env } })
}

/** Runs a line of shell in which `heddle` is the command. The whole pipeline is one group, which a failed test can end. */
export function shell(line: string, options: SpawnOptions = {}): Running {
  const definition = `heddle() { "${process.execPath}" "${SCRIPT}" "$@"; }; `
  return new Running("sh", ["-c", definition + line], { ...options, detached: true })
}
