import { addAbortSignal, type Readable } from "node:stream"
import type { Message } from "heddle"
import type { Format } from "./formats/format.ts"

export interface InputSettings {
  /** Messages of the command line; when there are any, stdin is not read. */
  given: readonly string[]
  format: Format
  /** Whether the given messages begin anew after the last one: somebody else counts. */
  repeat: boolean
}

/**
 * What shall be sent, in batches: the messages of the command line, or those of `stdin` as they arrive. The next piece
 * of stdin is read only when the batch before has been taken, so that whoever writes to us feels how fast peers are.
 * Ends early, without an error, when the signal fires.
 */
export async function* batchesOf(
  { given, format, repeat }: InputSettings,
  stdin: Readable,
  signal: AbortSignal,
): AsyncGenerator<Message[], void> {
  if (given.length > 0) {
    const messages = given.map(text => format.fromArgument(text))
    do yield messages
    while (repeat && !signal.aborted)
    return
  }
  const decoder = format.decoder()
  try {
    for await (const chunk of addAbortSignal(signal, stdin)) yield* decoded(into => decoder.push(chunk, into))
    yield* decoded(into => decoder.end(into))
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** What is good is sent, also when something bad follows it. */
function* decoded(decode: (into: Message[]) => void): Generator<Message[], void> {
  const messages: Message[] = []
  try {
    decode(messages)
  } finally {
    if (messages.length > 0) yield messages
  }
}
