import { isUtf8 } from "node:buffer"
import type { Command } from "commander"
import { InvalidArgumentError } from "commander"
import type { FabricMessage, HeadersInit } from "heddle"
import { CommandError, UsageError } from "../exit.ts"

/** How a text becomes a payload; see `PAYLOAD_HELP`. */
export interface PayloadFlags {
  json?: true
  string?: true
  bytes?: true
  msgpack?: true
  header?: readonly (readonly [string, string])[]
}

export interface Payload {
  readonly data: unknown
  readonly codec: "msgpack" | "json" | "string" | "bytes"
}

/** `json` is an option of the command already, with the meaning that its format has on sockets. */
export function withPayload(command: Command): Command {
  return command
    .option("--string", "payloads are text, also when they look like JSON")
    .option("--bytes", "payloads are bytes")
    .option("--msgpack", "payloads are JSON, sent as msgpack; what is no JSON is an error")
}

export function withHeaders(command: Command): Command {
  return command.option("--header <name=value>", "a header of every message (repeatable)", header)
}

export const PAYLOAD_OPTIONS = ["string", "bytes", "msgpack", "header"]

export const PAYLOAD_HELP = `
Payloads on a fabric:
  A text that is JSON is sent as that value, by msgpack: {"id":7} arrives as an object, 7 as a number. Any other text
  is sent as a string. --json sends JSON as JSON text, --string every text as a string, --bytes as bytes.
  What comes is printed as text: strings and bytes as they are, other values as JSON.`

function header(text: string, earlier: readonly (readonly [string, string])[] = []) {
  const at = text.indexOf("=")
  if (at < 1) throw new InvalidArgumentError("Expected name=value.")
  return [...earlier, [text.slice(0, at), text.slice(at + 1)] as const]
}

export function headersOf({ header: headers }: PayloadFlags): HeadersInit | undefined {
  return headers
}

/** Makes what turns a line, without its end, into a payload; that throws a `CommandError` for what is no JSON where it must be. */
export function payloadReader(flags: PayloadFlags): (line: Buffer) => Payload {
  const given = (["json", "string", "bytes", "msgpack"] as const).filter(name => flags[name])
  if (given.length > 1) throw new UsageError(`--${given[0]} and --${given[1]} exclude each other`)
  const [kind] = given
  if (kind === "bytes") return line => ({ data: line, codec: "bytes" })
  if (kind === "string") return line => ({ data: line.toString(), codec: "string" })
  if (kind !== undefined) return line => ({ data: strictJson(line.toString()), codec: kind })
  return guess
}

function guess(line: Buffer): Payload {
  if (!isUtf8(line)) return { data: line, codec: "bytes" }
  const text = line.toString()
  try {
    const data: unknown = JSON.parse(text)
    // A number that would be printed otherwise (1.50, 12345678901234567890) was meant as a text.
    if (typeof data !== "number" || String(data) === text) return { data, codec: "msgpack" }
  } catch {
    // No JSON.
  }
  return { data: text, codec: "string" }
}

function strictJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CommandError(`input: not JSON: ${(error as Error).message}`)
  }
}

/** The payload of a message; bytes when nobody here can read it, and the fault. */
function dataOf(message: FabricMessage): unknown {
  try {
    return message.data
  } catch {
    // A codec of the sender's own.
    return message.bytes
  }
}

/** A payload for people: strings and bytes as they are, other values as JSON. */
export function textOf(message: FabricMessage): Buffer {
  const data = dataOf(message)
  if (Buffer.isBuffer(data)) return data
  if (typeof data === "string") return Buffer.from(data)
  return data === undefined ? Buffer.alloc(0) : Buffer.from(jsonOf(data))
}

/** A message as one value: `{"subject", "from", "data"}`, and headers as pairs. */
export function recordOf(message: FabricMessage, headers: boolean): string {
  return jsonOf({
    ...(message.subject !== "" && { subject: message.subject }),
    from: message.fromName,
    ...(message.kept && { kept: true }),
    ...(headers && { headers: [...message.headers] }),
    data: dataOf(message),
  })
}

/** JSON, in one line, of what msgpack and codecs of users may give: bytes, big integers and sets have a form here. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key: string, given: unknown) {
    // As it was before `toJSON`, which Buffer has.
    const one = this[key]
    if (one instanceof Uint8Array)
      return { base64: Buffer.from(one.buffer, one.byteOffset, one.length).toString("base64") }
    if (typeof one === "bigint") return one.toString()
    if (one instanceof Map) return Object.fromEntries(one)
    if (one instanceof Set) return [...one]
    return given
  })
}
