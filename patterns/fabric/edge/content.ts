import { EncodedPayload } from "../../../core/codec.ts"
import { HeddleError } from "../../../core/errors.ts"
import { MessageHeaders } from "../../../core/headers.ts"
import { encodeHeaders } from "../link/write.ts"
import type { FabricMessage } from "../message.ts"
import type { Node } from "../node.ts"
import { encodeFailure, RemoteError } from "../requests/failures.ts"
import type { Content, RecordWriter } from "./wire.ts"

const MSGPACK = 3
const MSGPACK_SHARED = 4
const JSON_CODEC = 2
/** By the numbers of core/codec.ts. */
const NAMES: readonly (string | undefined)[] = ["bytes", "string", "json", "msgpack", undefined, "none"]

/**
 * What a client sent, as `publish` takes it: the bytes as they came, or, where schemas speak of the subject, the value that they let
 * through. Throws EINVAL, ERR_CODEC, ERR_VALIDATION.
 */
export function payloadOf({ schemas, codecs }: Node, content: Content, subject: string): unknown {
  if (schemas.size === 0) return encoded(content)
  const { codec, codecName, payload } = content
  return schemas.check(subject, codecs.decode(codec, asBuffer(payload), codecName))
}

/** The bytes as they came. Throws EINVAL. */
export function encoded({ codec, codecName, payload }: Content): EncodedPayload {
  return new EncodedPayload(asBuffer(payload), NAMES[codec] ?? codecName)
}

/** Throws EPROTO. */
export function headersOf({ headers }: Content): MessageHeaders | undefined {
  return headers === null ? undefined : MessageHeaders.decode(asBuffer(headers))
}

/** Writes a message as content, with its subject or without. Throws ERR_CODEC. */
export function writeMessage(out: RecordWriter, message: FabricMessage, subject: string | null): void {
  const [number, name] = message.codecOf
  const codec = number === MSGPACK_SHARED ? MSGPACK : number
  out.content(subject, codec, name, encodeHeaders(message.headers), message.plainBytes)
}

export function writeFailure(out: RecordWriter, error: unknown): void {
  out.content(null, JSON_CODEC, "", null, failureOf(error))
}

/** An error for a client, as JSON: `code` and `message`; with `name`, `remoteCode`, `details` and `server` when a handler threw it. */
function failureOf(error: unknown): Buffer {
  if (error instanceof RemoteError) {
    const { code, message, remoteName, remoteCode, details, server } = error
    try {
      return Buffer.from(JSON.stringify({ code, message, name: remoteName, remoteCode, details, server }))
    } catch {
      // Never by what JSON has brought here; a value of this process may be anything.
      return Buffer.from(JSON.stringify({ code, message, name: remoteName, remoteCode, server }))
    }
  }
  if (error instanceof HeddleError) return Buffer.from(JSON.stringify({ code: error.code, message: error.message }))
  return encodeFailure(error)
}

/** Any error as one that may be told to a client: those that are not Heddle's own are nobody's business. */
export function tellable(error: unknown): HeddleError {
  if (error instanceof HeddleError) return error
  return new HeddleError("ERR_FABRIC", "The node could not do it; its `edge` event says why", { cause: error })
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
