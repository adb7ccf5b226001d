/** Records with more than a subject and a payload: from bytes of the network to their parts. */
import { HeddleError } from "../../../core/errors.ts"
import type { Reader } from "../../../core/varint.ts"
import type { NumberedSubject } from "./incoming.ts"
import { APART, HEADERS, INLINE_SUBJECT, TARGETS } from "./records.ts"
import { readSubject } from "./subjects.ts"
import { OWN_CODEC } from "./write.ts"

/** A record may be meant for so many subscriptions of one node; more is nonsense. */
const MAX_TARGETS = 1 << 20

export interface Content {
  readonly options: number
  readonly numbers: number[]
  readonly targets: number[]
  readonly subject: string
  readonly codecName: string
  /** Where headers and payload lie. */
  readonly headers: Buffer | null
  readonly source: Buffer
  readonly start: number
  readonly end: number
}

const NO_TARGETS: number[] = []

/** `count` numbers come first; `subject`: the record has one. Throws EPROTO. */
export function readContent(
  reader: Reader,
  codec: number,
  count: number,
  subject: boolean,
  known: readonly (NumberedSubject | undefined)[],
  apart: Buffer | null,
): Content {
  const options = reader.byte()
  const numbers: number[] = []
  for (let i = 0; i < count; i++) numbers.push(reader.varint())
  let targets = NO_TARGETS
  if ((options & TARGETS) !== 0 && subject) {
    const wanted = reader.varint()
    if (wanted > MAX_TARGETS || wanted > reader.left)
      throw new HeddleError("EPROTO", `The peer sent a record for ${wanted} targets`)
    targets = []
    for (let i = 0; i < wanted; i++) targets.push(reader.varint())
  }
  let name = ""
  if (subject) {
    if ((options & INLINE_SUBJECT) !== 0) name = readSubject(reader, reader.varint())
    else {
      const id = reader.varint()
      const found = known[id]
      if (found === undefined)
        throw new HeddleError("EPROTO", `The peer used subject number ${id}, which it has not named`)
      name = found.subject
      found.messages++
    }
  }
  const codecName = codec === OWN_CODEC ? reader.latin1(reader.varint()) : ""
  const headers = (options & HEADERS) !== 0 ? reader.view(reader.varint()) : null
  if ((options & APART) === 0) {
    return {
      options,
      numbers,
      targets,
      subject: name,
      codecName,
      headers,
      source: reader.bytes,
      start: reader.at,
      end: reader.end,
    }
  }
  if (apart === null) throw new HeddleError("EPROTO", "The peer announced a payload that did not come")
  return { options, numbers, targets, subject: name, codecName, headers, source: apart, start: 0, end: apart.length }
}
