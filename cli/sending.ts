import { setImmediate as nextTurn } from "node:timers/promises"
import { HeddleError, type Message, type Publisher, type Push } from "heddle"
import { attach, showOnProgress } from "./attach.ts"
import { CommandError } from "./exit.ts"
import { batchesOf } from "./input.ts"
import { formatFrom, type SendFlags } from "./options.ts"
import { Pacer } from "./pacer.ts"
import { type Run, run } from "./run.ts"
import { plural, whole } from "./units.ts"

/** Messages sent before the event loop gets a turn: a quarter of the usual queue, so that it empties in between. */
const STRIDE = 256

/** Runs a command that reads messages from the command line or stdin. */
export function runWithInput(
  name: string,
  args: readonly string[],
  flags: SendFlags,
  job: (given: readonly string[], run: Run) => Promise<boolean>,
): Promise<never> {
  const given = [...args, ...(flags.message ?? [])]
  // Where messages are typed, a progress line would be in the way.
  const progress = given.length > 0 || process.stdin.isTTY !== true
  return run({ name, options: flags, progress }, one => job(given, one))
}

/** The whole life of a command that only sends. `first` comes before every message's own frames. */
export async function sendInput(
  socket: Push | Publisher,
  given: readonly string[],
  flags: SendFlags,
  run: Run,
  first: Buffer | null,
): Promise<boolean> {
  const { ending } = run
  const input = batchesOf(
    { given, format: formatFrom(flags), repeat: flags.count !== undefined },
    process.stdin,
    ending.signal,
  )
  await attach(socket, flags, run)
  showOnProgress(socket, run)
  // The end of a blocked `send` or `ready`: closing rejects them, and sends what is queued within the linger time.
  ending.signal.addEventListener("abort", () => void socket.close())
  let done = false
  let failure: unknown = null
  try {
    await waitForPeers(socket, flags, run, first ?? undefined)
    done = await sendBatches(socket, input, flags, run, first)
  } catch (error) {
    if (!ending.begun) failure = error
  }
  const late = failure instanceof HeddleError && failure.code === "EAGAIN"
  // After --timeout nobody is to be waited for; what was read before any other failure still goes out.
  await socket.close(late ? { linger: 0 } : {})
  const { full = 0, closed = 0 } = socket.stats().dropped
  if (full > 0) {
    run.warn(`${whole(full)} dropped: a subscriber's queue was full; --no-drop waits instead, --hwm makes room`)
  }
  // Nothing is lost in silence.
  const lost = `${plural(closed, "message")} lost: their peer left, or none took them in time (see --linger)`
  if (failure !== null) {
    if (closed > 0) run.warn(lost)
    throw late ? new CommandError(`no peer had room, or came, within ${flags.timeout} ms (--timeout)`) : failure
  }
  if (closed > 0) throw new CommandError(lost)
  return done
}

/** `topic`: of a publisher, only subscribers that get it count. */
export async function waitForPeers(
  socket: { ready(options: { peers: number; timeout?: number; topic?: Buffer }): Promise<void> },
  { wait, timeout }: Pick<SendFlags, "wait" | "timeout">,
  run: Run,
  topic?: Buffer,
): Promise<void> {
  if (wait === 0) return
  run.progress.note = `waits for ${plural(wait, "peer")}`
  await socket.ready({ peers: wait, timeout, topic })
  run.progress.note = ""
}

/** True when the input ended or `count` is reached. */
async function sendBatches(
  socket: Push | Publisher,
  input: AsyncIterable<Message[]>,
  { count = Number.POSITIVE_INFINITY, rate }: SendFlags,
  run: Run,
  first: Buffer | null,
): Promise<boolean> {
  const { ending, progress } = run
  const pacer = rate === undefined ? null : new Pacer(rate, ending.signal)
  for await (const batch of input) {
    for (const frames of batch) {
      if (pacer !== null) await pacer.next()
      else if (progress.messages % STRIDE === STRIDE - 1) await nextTurn()
      if (ending.begun) return false
      const message = first === null ? frames : [first, ...frames]
      if (!socket.trySend(message)) await socket.send(message)
      progress.count(message)
      if (progress.messages === count) return true
    }
  }
  return !ending.begun
}
