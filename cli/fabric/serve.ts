import type { FabricMessage } from "heddle"
import { execute } from "../execute.ts"
import { UsageError } from "../exit.ts"
import type { Run } from "../run.ts"
import type { FabricFlags } from "./options.ts"
import { jsonOf, type PayloadFlags, payloadReader, textOf } from "./payload.ts"
import { openPrinting } from "./subscribe.ts"

export interface ExecFlags extends PayloadFlags {
  exec?: string
  execTimeout?: number
  maxSize: number
}

export interface ServeFlags extends FabricFlags, ExecFlags {
  reply?: string
  echo?: true
  queue?: string
  concurrency: number
  count?: number
  timeout?: number
}

/** The whole life of `heddle serve`. */
export async function serve(subject: string, flags: ServeFlags, run: Run): Promise<boolean> {
  const answer = answerFrom(flags)
  const { progress } = run
  const { count = Number.POSITIVE_INFINITY, queue, concurrency } = flags
  // A reply goes by the codec of the fabric: values by msgpack, unless they shall be JSON text.
  const { fabric, over, end, alive } = await openPrinting(flags, run, flags.json ? "json" : "msgpack")
  try {
    const handler = async (message: FabricMessage): Promise<unknown> => {
      alive()
      try {
        return await answer(message)
      } catch (error) {
        run.warn((error as Error).message)
        throw error
      } finally {
        progress.messages++
        progress.bytes += message.size
        if (progress.messages === count) end()
      }
    }
    const service = fabric.serve(subject, handler, { queue, concurrency })
    await over
    // A request that is being answered gets its reply first.
    await service.drain()
    await fabric.flush()
  } finally {
    await fabric.close()
  }
  return flags.count === undefined || progress.messages >= count
}

function answerFrom(flags: ServeFlags): (message: FabricMessage) => unknown {
  const ways = [flags.reply, flags.echo, flags.exec].filter(way => way !== undefined)
  if (ways.length !== 1) throw new UsageError("give one of --reply TEXT, --echo and --exec CMD")
  checkExec(flags)
  const read = payloadReader(flags)
  if (flags.reply !== undefined) {
    const { data } = read(Buffer.from(flags.reply))
    return () => data
  }
  if (flags.exec === undefined) return message => message.data
  return async message => read(withoutEnd(await executeFor(message, flags))).data
}

export function checkExec({ exec, execTimeout }: ExecFlags): void {
  if (execTimeout !== undefined && exec === undefined) throw new UsageError("--exec-timeout goes with --exec CMD")
}

/** Gives the payload to the command as a line; its subject, sender and headers are in the environment. */
export function executeFor(message: FabricMessage, flags: ExecFlags): Promise<Buffer> {
  const { exec, execTimeout, maxSize, json } = flags
  const input = json ? Buffer.from(jsonOf(message.data)) : textOf(message)
  return execute(exec as string, Buffer.concat([input, Buffer.from("\n")]), {
    timeout: execTimeout,
    maxSize,
    env: {
      HEDDLE_SUBJECT: message.subject,
      HEDDLE_FROM: message.fromName,
      HEDDLE_HEADERS: jsonOf([...message.headers]),
    },
  })
}

function withoutEnd(output: Buffer): Buffer {
  return output.at(-1) === 10 ? output.subarray(0, -1) : output
}
