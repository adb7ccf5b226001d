/**
 * What travels between two nodes; docs/wire.md has the layouts. A ZMTP message is a batch: one byte that says whether
 * it is numbered, then records. A record is a varint length, a head byte and a body. The low half of the head is the
 * type, the high half the codec of the payload.
 */

/** First byte of a batch. Numbered batches are counted, kept until acknowledged, and sent again when a link resumes. */
export const NUMBERED = 1
export const UNNUMBERED = 0

/** Record types in numbered batches. Those of the application's messages come first. */
export const PUBLISH = 0
export const PUBLISH_MORE = 1
export const REQUEST = 2
export const REPLY = 3
export const TASK = 4
export const TASK_RESULT = 5
export const CANCEL = 6
export const CREDIT = 7
export const DONE = 8
export const SUBJECT = 9
export const STRUCTURES = 10
export const INTEREST = 11
export const NO_INTEREST = 12
export const NOTICE = 13
/** Of subjects that groups carry (carry/control.ts): only to peers that say in their introduction that they know of it. */
export const CARRY = 14

/** Record types in unnumbered batches. */
export const ACK = 0
export const MEMBERS = 1

/** What a NOTICE says; a varint behind the head. */
export const GAP = 0
export const SYNC = 1
export const SYNCED = 2
export const HISTORY_END = 3
export const PAUSE = 4
export const RESUME = 5
export const LEAVING = 6
export const DROPPED = 7
/** The pusher of a task wants it no more; earlier versions do it nevertheless. */
export const WITHDRAW = 8
/** The handler of a task is still at work: its `ackWait` begins again. */
export const WORKING = 9

/** Bits of the options byte of PUBLISH_MORE, REQUEST, REPLY and TASK. */
export const INLINE_SUBJECT = 1
export const HEADERS = 2
/** PUBLISH_MORE: a list of interests that are meant besides the plain ones. */
export const TARGETS = 4
/** PUBLISH_MORE: for the listed interests only. */
export const TARGETS_ONLY = 8
/** The payload is the second frame of this ZMTP message, not the rest of the record. */
export const APART = 16
/** PUBLISH_MORE: kept by the publisher from before the subscription. */
export const KEPT = 32
/** PUBLISH_MORE: bears its number, for wishes with history. */
export const NUMBERS = 64
/** PUBLISH_MORE: the targets are plain, and if one of them is over, the message is for all plain ones that match. */
export const PLAIN = 128
/** PUBLISH_MORE: a subject in text, for one plain interest. */
export const FOR_ONE = INLINE_SUBJECT | TARGETS | TARGETS_ONLY | PLAIN
/** REPLY: a stream has ended; there is no payload. */
export const END = 4
/** REPLY: more follow. */
export const MORE = 64
/** REPLY, TASK_RESULT: the payload describes an error. */
export const FAILED = 128

/** Subjects that a node may number on a link: two bytes hold the number. */
export const MAX_SUBJECTS = 8192

/** A payload larger than this travels as a frame of its own, by reference; smaller ones are cheaper to copy (core's writer says the same). */
export const APART_FROM = 8 * 1024
