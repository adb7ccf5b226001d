import { spawn } from "node:child_process"
import type { Message } from "heddle"
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
      return replyFrom(await execute(exec, format, request, execTimeout, maxSize), format, lines)
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

/** Runs the command in a shell: the request on its stdin, what it prints is the result. Rejects with a `CommandError`. */
function execute(
  commandLine: string,
  format: Format,
  request: Message,
  timeout: number | undefined,
  maxSize: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // A process group of its own: what the shell started ends with it, and Ctrl-C is for us, who finish the reply first.
    const child = spawn(commandLine, { shell: true, stdio: ["pipe", "pipe", "inherit"], detached: true })
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
    const input: Buffer[] = []
    format.encode(request, input)
    child.stdin.end(Buffer.concat(input))
  })
}
