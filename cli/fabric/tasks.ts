import { setTimeout as sleep } from "node:timers/promises"
import { type FabricMessage, HeddleError, type Task } from "heddle"
import { CommandError } from "../exit.ts"
import type { Run } from "../run.ts"
import { plural } from "../units.ts"
import { type FabricFlags, openFabric } from "./options.ts"
import { headersOf } from "./payload.ts"
import { type FabricSendFlags, payloadsOf, subjectFrom, waitFor } from "./publish.ts"
import { checkExec, type ExecFlags, executeFor } from "./serve.ts"
import { type FabricReceiveFlags, lineOf, openPrinting } from "./subscribe.ts"

export interface WorkFlags extends FabricFlags, ExecFlags, Pick<FabricReceiveFlags, "headers" | "subject"> {
  concurrency: number
  count?: number
  timeout?: number
}

/** The whole life of `heddle push --fabric`: it ends when workers have done everything. */
export async function push(args: readonly string[], flags: FabricSendFlags, run: Run): Promise<boolean> {
  const { subject, given } = subjectFrom(args)
  const { ending, progress } = run
  const { timeout } = flags
  const headers = headersOf(flags)
  const fabric = await openFabric(flags, run)
  const open = new Set<Task>()
  let failed = 0
  let wake: () => void = () => {}
  const settled = (task: Task, error: unknown): void => {
    open.delete(task)
    wake()
    if (error === null || ending.begun) return
    failed++
    run.warn((error as Error).message)
  }
  try {
    if (!(await waitFor(fabric, { subject, workers: flags.wait }, flags, run))) return false
    for await (const { data, codec } of payloadsOf(given, flags, run)) {
      const task = await fabric.push(subject, data, { codec, headers, timeout, signal: ending.signal })
      open.add(task)
      task.done().then(
        () => settled(task, null),
        error => settled(task, error),
      )
    }
    while (open.size > 0 && !ending.begun) {
      progress.note = `${plural(open.size, "task")} not done`
      const next = new Promise<string>(resolve => {
        wake = () => resolve("settled")
      })
      const ended = ending.wait().then(() => "ended")
      const late = timeout === undefined ? [] : [sleep(timeout, "late", { ref: false })]
      if ((await Promise.race([next, ended, ...late])) === "late")
        throw new CommandError(`no task was done for ${timeout} ms, ${plural(open.size, "task")} left (--timeout)`)
    }
  } catch (error) {
    if (!ending.begun) {
      if (error instanceof HeddleError && error.code === "ETIMEDOUT") throw new CommandError(error.message)
      throw error
    }
  } finally {
    if (open.size > 0) run.warn(`${plural(open.size, "task")} lost: no worker has done them before we left`)
    await fabric.close()
  }
  if (failed > 0) throw new CommandError(`${plural(failed, "task")} failed`)
  return !ending.begun
}

/** Tasks that wait here to be printed: printing is quick, the way of a task is not. */
const PREFETCH = 256

/** The whole life of `heddle work`. */
export async function work(subject: string, flags: WorkFlags, run: Run): Promise<boolean> {
  checkExec(flags)
  const { progress } = run
  const { count = Number.POSITIVE_INFINITY, concurrency } = flags
  const { fabric, printer, over, end, alive } = await openPrinting(flags, run)
  let begun = 0
  try {
    const handler = async (message: FabricMessage): Promise<void> => {
      // A task that crossed with our end is for another worker.
      if (begun++ >= count) throw new CommandError(`the worker has its ${count} tasks`)
      alive()
      if (flags.exec === undefined) {
        progress.messages++
        progress.bytes += message.size
        void printer.line(...lineOf(message, flags))
        // Acknowledged when it is with the operating system, so that a crash loses nothing.
        await printer.flush()
        if (progress.messages === count) end()
        return
      }
      try {
        const output = await executeFor(message, flags)
        progress.messages++
        progress.bytes += message.size
        if (output.length > 0) await printer.raw(output)
        if (progress.messages === count) end()
      } catch (error) {
        run.warn(`--exec: ${(error as Error).message}; the task goes to another worker, or comes again`)
        throw error
      }
    }
    // Without prefetch, so that no task waits here for a slow command while another worker is idle.
    const prefetch = flags.exec === undefined && flags.count === undefined ? PREFETCH : 0
    const worker = fabric.work(subject, handler, { concurrency, prefetch })
    await over
    await worker.drain()
    await fabric.flush()
    await printer.end()
  } finally {
    await fabric.close()
  }
  return flags.count === undefined || progress.messages >= count
}
