import type { Message } from "heddle"
import { execute } from "./execute.ts"
import { CommandError, UsageError } from "./exit.ts"
import type { Format } from "./formats/format.ts"

/** What a server answers to a request. */
export type Answer = (request: Message) => Promise<Message> | Message

export interface AnswerFlags {
  reply?: string
  echo?: true
  exec?: string
  execTimeout?: number
  maxSize: number
}

/** Makes the one way to answer that the command line names. */
export function answerFrom(flags: AnswerFlags, format: Format, lines: boolean, warn: (text: string) => void): Answer {
  const ways = [flags.reply, flags.echo, flags.exec].filter(way => way !== undefined)
  if (ways.length !== 1) throw new UsageError("give one of --reply TEXT, --echo and --exec CMD")
  if (flags.execTimeout !== undefined && flags.exec === undefined) {
    throw new UsageError("--exec-timeout goes with --exec CMD")
  }
  if (flags.reply !== undefined) {
    const reply = format.fromArgument(flags.reply)
    return () => reply
  }
  if (flags.exec === undefined) return request => request
  const { exec, execTimeout, maxSize } = flags
  return async request => {
    try {
      const input: Buffer[] = []
      format.encode(request, input)
      const output = await execute(exec, Buffer.concat(input), { timeout: execTimeout, maxSize })
      return replyFrom(output, format, lines)
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      warn(`--exec: ${error.message}; the reply is empty`)
      return [Buffer.alloc(0)]
    }
  }
}

/** Lines: all that the command printed, without the last end of line. Other formats: exactly one message. */
function replyFrom(output: Buffer, format: Format, lines: boolean): Message {
  if (lines && output.indexOf("\n") !== output.length - 1)
    return [output.at(-1) === 10 ? output.subarray(0, -1) : output]
  const decoder = format.decoder()
  const messages: Message[] = []
  decoder.push(output, messages)
  decoder.end(messages)
  if (messages.length === 1) return messages[0]
  throw new CommandError(`the command printed ${messages.length} messages where one is the reply`)
}
