import { spawn } from "node:child_process"
import { CommandError } from "./exit.ts"

export interface ExecuteLimits {
  /** Milliseconds; undefined = as long as it takes. */
  timeout: number | undefined
  /** Bytes that it may print. */
  maxSize: number
  /** Added to our environment. */
  env?: Readonly<Record<string, string>>
}

/** Runs a command in a shell: `input` on its stdin, what it prints is the result. Rejects with a `CommandError`. */
export function execute(commandLine: string, input: Buffer, { timeout, maxSize, env }: ExecuteLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // A process group of its own: what the shell started ends with it, and Ctrl-C is for us, who finish the reply first.
    const child = spawn(commandLine, {
      shell: true,
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
      env: env === undefined ? process.env : { ...process.env, ...env },
    })
    const kill = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
      } catch {
        // It has just ended by itself.
      }
    }
    process.once("exit", kill)
    let failure: string | null = null
    const end = (why: string): void => {
      failure ??= why
      kill()
    }
    const timer =
      timeout === undefined ? undefined : setTimeout(() => end(`it took longer than ${timeout} ms`), timeout)
    const parts: Buffer[] = []
    let size = 0
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size > maxSize) end(`it printed more than ${maxSize} bytes; raise --max-size`)
      else parts.push(chunk)
    })
    // A command need not read its request.
    child.stdin.on("error", () => {})
    child.on("error", error => {
      failure ??= `it cannot be started: ${error.message}`
    })
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      process.off("exit", kill)
      if (failure === null && code !== 0)
        failure = signal === null ? `it exited with ${code}` : `it was ended by ${signal}`
      if (failure === null) resolve(Buffer.concat(parts))
      else reject(new CommandError(failure))
    })
    child.stdin.end(input)
  })
}
