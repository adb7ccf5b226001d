import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { CommandError } from "../exit.ts"

/** The other side of a measurement on this machine. */
export interface Partner {
  /** Rejects when it ends before it should; never resolves. */
  readonly failed: Promise<never>
  /** It was told goodbye: resolves when it has left. */
  ended(): Promise<void>
  kill(): void
}

export function startProcess(endpoint: string): Partner {
  const script = fileURLToPath(new URL("../heddle.js", import.meta.url))
  const args = ["bench", "--role", "receive", "--connect", endpoint, "--quiet"]
  const child = spawn(process.execPath, [...process.execArgv, script, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
  })
  return partner(
    (code, failure) => {
      child.once("exit", code)
      child.once("error", failure)
    },
    () => child.kill("SIGKILL"),
  )
}

export function startThread(endpoint: string): Partner {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: endpoint })
  return partner(
    (code, failure) => {
      worker.once("exit", code)
      worker.once("error", failure)
    },
    () => void worker.terminate(),
  )
}

function partner(
  watch: (exit: (code: number | null) => void, failure: (error: unknown) => void) => void,
  kill: () => void,
): Partner {
  let expected = false
  let left: () => void = () => {}
  const gone = new Promise<void>(resolve => {
    left = resolve
  })
  const failed = new Promise<never>((_resolve, reject) => {
    const exit = (code: number | null): void => {
      left()
      if (!expected) reject(new CommandError(`the partner that bench had started ended early, with code ${code}`))
    }
    watch(exit, error => {
      left()
      reject(error)
    })
  })
  // Awaited by races only, which may be over by then.
  failed.catch(() => {})
  // A bench that dies must not leave a partner behind.
  process.once("exit", kill)
  return {
    failed,
    kill,
    async ended() {
      expected = true
      await gone
      process.off("exit", kill)
    },
  }
}
