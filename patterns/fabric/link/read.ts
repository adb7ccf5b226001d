/** Records with more than a subject and a payload: from bytes of the network to their parts. */
import { HeddleError } from "../../../core/errors.ts"
import type { Reader } from "../../../core/varint.ts"
import { Envelope } from "../message.ts"
import type { Incoming } from "./incoming.ts"
import { APART, HEADERS, INLINE_SUBJECT, NUMBERS, TARGETS } from "./records.ts"
import { readSubject } from "./subjects.ts"
import { OWN_CODEC } from "./write.ts"

/** A record may be meant for so many subscriptions of one node; more is nonsense. */
const MAX_TARGETS = 1 << 20

export interface Content {
  options: number
  numbers: number[]
  targets: number[]
  /** Subject and origin. */
  envelope: Envelope
  codecName: string
  /** Where headers and payload lie. */
  headers: Buffer | null
  source: Buffer
  start: number
  end: number
}

const NO_TARGETS: number[] = []

/** The subject of that number, which one more message has. Throws EPROTO. */
export function subjectOf(subjects: Incoming["subjects"], id: number): Envelope {
  const found = subjects[id]
  if (found === undefined) throw new HeddleError("EPROTO", `The peer used subject number ${id}, which it has not named`)
  found.messages++
  return found
}

const content: Content = {
  options: 0,
  numbers: [0, 0, 0, 0],
  targets: NO_TARGETS,
  envelope: null as unknown as Envelope,
  codecName: "",
  headers: null,
  source: Buffer.alloc(0),
  start: 0,
  end: 0,
}

/** `count` numbers come first, none or two (option NUMBERS) for 0; `subject`: the record has one. Valid until the next call. Throws EPROTO. */
export function readContent(
  reader: Reader,
  codec: number,
  count: number,
  subject: boolean,
  { subjects, origin }: Incoming,
  apart: Buffer | null,
): Content {
  const options = reader.byte()
  const { numbers } = content
  const many = (options & NUMBERS) !== 0 && count === 0 ? 2 : count
  for (let i = 0; i < many; i++) numbers[i] = reader.varint()
  let targets = NO_TARGETS
  if ((options & TARGETS) !== 0 && subject) {
    const wanted = reader.varint()
    if (wanted > MAX_TARGETS || wanted > reader.left)
      throw new HeddleError("EPROTO", `The peer sent a record for ${wanted} targets`)
    targets = []
    for (let i = 0; i < wanted; i++) targets.push(reader.varint())
  }
  let envelope: Envelope = origin.nameless
  if (subject) {
    if ((options & INLINE_SUBJECT) !== 0) envelope = new Envelope(readSubject(reader, reader.varint()), origin)
    else {
      envelope = subjectOf(subjects, reader.varint())
    }
  }
  const codecName = codec === OWN_CODEC ? reader.latin1(reader.varint()) : ""
  const headers = (options & HEADERS) !== 0 ? reader.view(reader.varint()) : null
  content.options = options
  content.targets = targets
  content.envelope = envelope
  content.codecName = codecName
  content.headers = headers
  if ((options & APART) === 0) {
    content.source = reader.bytes
    content.start = reader.at
    content.end = reader.end
  } else {
    if (apart === null) throw new HeddleError("EPROTO", "The peer announced a payload that did not come")
    content.source = apart
    content.start = 0
    content.end = apart.length
  }
  return content
}
