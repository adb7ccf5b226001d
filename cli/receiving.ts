import type { Message } from "heddle"
import { HeddleError, type Pull, type Subscriber } from "heddle"
import { attach, showOnProgress } from "./attach.ts"
import { CommandError } from "./exit.ts"
import { type FormatFlags, formatFrom, type SocketFlags } from "./options.ts"
import { Output } from "./output.ts"
import { watchReader } from "./reader-gone.ts"
import type { Run } from "./run.ts"
import { whole } from "./units.ts"

export interface ReceiveFlags extends SocketFlags, FormatFlags {
  count?: number
}

/** Messages taken from the socket at once: enough to be cheap, few enough that the socket's own queue is the limit. */
const BATCH = 256

/** The whole life of a command that only receives: messages go to stdout, as fast as its reader takes them. */
export async function printMessages(socket: Pull | Subscriber, flags: ReceiveFlags, run: Run): Promise<boolean> {
  const { progress } = run
  const output = openOutput(flags, run)
  await attach(socket, flags, run)
  showOnProgress(socket, run)
  const source = new Source(socket, flags, run.ending.signal)
  for (let batch = await source.next(); batch !== null; batch = await source.next()) {
    progress.makeRoom()
    for (const message of batch) {
      progress.count(message)
      if (output.add(message)) await output.flush()
    }
    await output.flush()
  }
  await output.end()
  await socket.close()
  return flags.count === undefined || progress.messages === flags.count
}

/** Stdout for messages; when its reader leaves, the command ends. */
export function openOutput(flags: FormatFlags, run: Run): Output {
  const format = formatFrom(flags)
  watchReader(process.stdout.fd, () => run.ending.readerGone())
  return new Output(process.stdout, format)
}

/** Messages of a socket until there are enough, nothing comes any more, or the command shall end. */
class Source {
  private readonly socket: Pull | Subscriber
  private readonly signal: AbortSignal
  private readonly flags: ReceiveFlags
  /** Messages that may still be taken. */
  private left: number

  constructor(socket: Pull | Subscriber, flags: ReceiveFlags, signal: AbortSignal) {
    this.socket = socket
    this.flags = flags
    this.signal = signal
    this.left = flags.count ?? Number.POSITIVE_INFINITY
    signal.addEventListener("abort", () => this.finish())
  }

  async next(): Promise<Message[] | null> {
    if (this.left <= 0 || this.socket.closed) return null
    try {
      const batch = await this.socket.receiveMany(Math.min(BATCH, this.left))
      this.left -= batch.length
      return batch
    } catch (error) {
      if (this.signal.aborted) return null
      if (error instanceof HeddleError && error.code === "EAGAIN") return this.silence()
      throw error
    }
  }

  /** What has arrived is still taken; what arrives meanwhile is not, or a busy socket would never end. */
  private finish(): void {
    this.left = Math.min(this.left, this.socket.stats().waiting)
    // Ends a `receive` that waits.
    if (this.left <= 0) void this.socket.close()
  }

  private silence(): null {
    const { count, timeout } = this.flags
    if (count === undefined) return null
    const come = whole(count - this.left)
    throw new CommandError(`no message for ${timeout} ms; ${come} of ${whole(count)} have come`)
  }
}
