import type { Fabric, FabricMessage, PolicyName, Subscription } from "heddle"
import { CommandError, UsageError } from "../exit.ts"
import type { Run } from "../run.ts"
import { whole } from "../units.ts"
import { type FabricFlags, openFabric } from "./options.ts"
import { jsonOf, recordOf, textOf } from "./payload.ts"
import { Printer } from "./printer.ts"

export interface FabricReceiveFlags extends FabricFlags {
  queue?: string
  history?: "last" | number
  policy?: PolicyName
  headers?: true
  json?: true
  /** False: --no-subject. */
  subject: boolean
  count?: number
  timeout?: number
}

/** The whole life of `heddle sub --fabric`. */
export async function subscribe(patterns: readonly string[], flags: FabricReceiveFlags, run: Run): Promise<boolean> {
  if (patterns.length === 0) throw new UsageError("give what to subscribe to: heddle sub --fabric NAME 'orders.>'")
  const { progress } = run
  const { count = Number.POSITIVE_INFINITY, queue, history, policy } = flags
  const { fabric, printer, over, end, alive } = await openPrinting(flags, run)
  const take = (message: FabricMessage): Promise<void> | undefined => {
    // Another subscription of ours may have had the last one.
    if (progress.messages >= count) return undefined
    alive()
    progress.messages++
    progress.bytes += message.size
    if (progress.messages === count) end()
    return printer.line(...lineOf(message, flags))
  }
  const subscriptions: Subscription[] = []
  try {
    for (const pattern of patterns) subscriptions.push(fabric.subscribe(pattern, take, { queue, history, policy }))
    await over
    // What has arrived is still printed; after --count it is not wanted.
    if (progress.messages < count) await Promise.all(subscriptions.map(one => one.drain()))
    await printer.end()
  } finally {
    await fabric.close()
  }
  return flags.count === undefined || progress.messages >= count
}

/** What commands that print what comes have in common. */
export interface Printing {
  readonly fabric: Fabric
  readonly printer: Printer
  /** Resolves when the command shall end; rejects when it cannot go on. */
  readonly over: Promise<void>
  end(): void
  /** Something came: --timeout begins anew. */
  alive(): void
}

export async function openPrinting(
  flags: FabricFlags & { count?: number; timeout?: number },
  run: Run,
  codec?: string,
): Promise<Printing> {
  let end: () => void = () => {}
  let fail: (error: unknown) => void = () => {}
  const over = new Promise<void>((resolve, reject) => {
    end = resolve
    fail = reject
  })
  // It is looked at later.
  over.catch(() => {})
  const printer = new Printer(run, fail)
  const fabric = await openFabric(flags, run, codec)
  run.ending.signal.addEventListener("abort", end)
  if (run.ending.begun) end()
  const { timeout, count } = flags
  let timer: NodeJS.Timeout | undefined
  if (timeout !== undefined) {
    timer = setTimeout(() => {
      if (count === undefined) end()
      else
        fail(
          new CommandError(
            `no message for ${timeout} ms; ${whole(run.progress.messages)} of ${whole(count)} have come`,
          ),
        )
    }, timeout)
  }
  return { fabric, printer, over, end, alive: () => timer?.refresh() }
}

/** subject, headers, payload, with tabs between; or all of it as JSON. */
export function lineOf(
  message: FabricMessage,
  { json, headers = undefined, subject }: Pick<FabricReceiveFlags, "json" | "headers" | "subject">,
): (string | Buffer)[] {
  if (json) return [recordOf(message, headers === true)]
  const parts: (string | Buffer)[] = []
  if (subject) parts.push(message.subject, "\t")
  if (headers) parts.push(jsonOf([...message.headers]), "\t")
  return [...parts, textOf(message)]
}
