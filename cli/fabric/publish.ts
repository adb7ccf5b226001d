import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises"
import { type Fabric, HeddleError } from "heddle"
import { CommandError, UsageError } from "../exit.ts"
import { formatOf } from "../formats/format.ts"
import { batchesOf } from "../input.ts"
import { Pacer } from "../pacer.ts"
import type { Run } from "../run.ts"
import { plural, whole } from "../units.ts"
import { type FabricFlags, openFabric } from "./options.ts"
import { headersOf, type Payload, type PayloadFlags, payloadReader } from "./payload.ts"

export interface FabricSendFlags extends FabricFlags, PayloadFlags {
  count?: number
  rate?: number
  wait: number
  linger?: number
  timeout?: number
  maxSize: number
}

/** Options of the commands that send, which mean the same on sockets and on a fabric. */
export const FABRIC_SENDING = [
  "message",
  "count",
  "rate",
  "wait",
  "linger",
  "timeout",
  "maxSize",
  "json",
  "quiet",
  "verbose",
]

/** Messages sent before the event loop gets a turn. */
const STRIDE = 256
/** Messages after which we wait for the nodes to have read them: half of what waits for a subscription by default. */
const AHEAD = 8_192
/** Milliseconds that one slow node may hold up all others so. */
const PATIENCE = 1_000
/** Milliseconds that the end may take (--linger). */
const LINGER = 10_000

/** The subject, and the messages of the command line behind it. */
export function subjectFrom(args: readonly string[], what = "SUBJECT"): { subject: string; given: readonly string[] } {
  const [subject, ...given] = args
  if (subject === undefined) throw new UsageError(`give a subject: heddle ... --fabric NAME ${what}`)
  return { subject, given }
}

/** Payloads of the command line or of stdin, as often and as fast as asked for. */
export async function* payloadsOf(
  given: readonly string[],
  flags: FabricSendFlags,
  run: Run,
): AsyncGenerator<Payload, void> {
  const { count = Number.POSITIVE_INFINITY, rate, maxSize } = flags
  const read = payloadReader(flags)
  const format = formatOf("lines", { delimiter: null, maxSize })
  const pacer = rate === undefined ? null : new Pacer(rate, run.ending.signal)
  let sent = 0
  for await (const batch of batchesOf(
    { given, format, repeat: flags.count !== undefined },
    process.stdin,
    run.ending.signal,
  )) {
    for (const [line] of batch) {
      if (pacer !== null) await pacer.next()
      else if (sent % STRIDE === STRIDE - 1) await nextTurn()
      if (run.ending.begun) return
      const payload = read(line)
      run.progress.count([line])
      yield payload
      if (++sent === count) return
    }
  }
}

/** The whole life of `heddle pub --fabric`. */
export async function publish(args: readonly string[], flags: FabricSendFlags, run: Run): Promise<boolean> {
  const { subject, given } = subjectFrom(args)
  const { ending, progress } = run
  const headers = headersOf(flags)
  const fabric = await openFabric(flags, run)
  let unheard = 0
  let dropped = 0
  progress.dropped = () => dropped
  try {
    if (!(await waitFor(fabric, { subject, subscribers: flags.wait }, flags, run))) return false
    for await (const { data, codec } of payloadsOf(given, flags, run)) {
      const options = { codec, headers }
      let result = fabric.publish(subject, data, options)
      if (!result.taken) {
        progress.note = "waits for a full subscriber"
        result = await fabric.send(subject, data, { ...options, timeout: flags.timeout, signal: ending.signal })
        progress.note = ""
      }
      dropped += result.dropped
      if (result.peers === 0) unheard++
      if (progress.messages % AHEAD === 0) await Promise.race([fabric.flush(), sleep(PATIENCE)])
    }
  } catch (error) {
    if (!ending.begun) throw error
  } finally {
    await settle(fabric, flags, run)
  }
  if (unheard > 0) {
    const none =
      unheard === progress.messages
        ? "nobody got it"
        : `nobody got ${whole(unheard)} of ${whole(progress.messages)} messages`
    run.warn(`${none}: no subscriber of ${subject} is there (--wait 1 waits for one)`)
  }
  if (dropped > 0) run.warn(`${whole(dropped)} dropped: a subscriber's queue was full`)
  return !ending.begun
}

/** False: the command was ended before they came. */
export async function waitFor(
  fabric: Fabric,
  { subject, ...wanted }: { subject: string; subscribers?: number; servers?: number; workers?: number },
  { timeout }: Pick<FabricSendFlags, "timeout">,
  run: Run,
): Promise<boolean> {
  const [[kind, count = 0]] = Object.entries(wanted)
  if (count === 0) return true
  run.progress.note = `waits for ${plural(count, kind.slice(0, -1))}`
  try {
    await fabric.ready({ subject, ...wanted, timeout, signal: run.ending.signal })
  } catch (error) {
    if (run.ending.begun) return false
    if (error instanceof HeddleError && error.code === "ETIMEDOUT") throw new CommandError(error.message)
    throw error
  }
  run.progress.note = ""
  return true
}

/** What was published is with the nodes, or --linger is over; then we leave. */
export async function settle(
  fabric: Fabric,
  { linger = LINGER }: Pick<FabricSendFlags, "linger">,
  run: Run,
): Promise<void> {
  const taken = fabric.flush().then(() => true)
  const late = sleep(linger < 0 ? 2 ** 31 - 1 : linger, false, { ref: false })
  if (!(await Promise.race([taken, late])))
    run.warn(`not all nodes have taken everything within ${linger} ms (--linger)`)
  await fabric.close()
}
