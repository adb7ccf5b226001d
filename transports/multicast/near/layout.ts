/**
 * What a sender shares with the members of its group on the same machine: the memory that it encodes packets into, and
 * which of them went out (SPEC.md MC-80 to MC-88). Words are 32 bits, in the order of the machine; counts wrap at 2^32.
 *
 *      0       proof: what it is, and whose; written before anybody is told of it
 *      128     what the sender says; one line, because readers look at all of it
 *      256     a generation for each chunk: raised before its memory is used again
 *      1280    slots, one for each reader: how far it is, and where it is rung
 *      9472    index, a ring of entries: offset (from the first chunk), length, generation of the chunk, 0
 *      271616  chunks
 *
 * There is one producer. Readers copy a packet out and then look whether it was still whole: nobody waits for them here, as
 * nobody waits for who reads a socket too late.
 */

/** Two cache lines: processors fetch lines in pairs, and what one side writes must not slow the others down. */
const LINE = 128

export const MAGIC = 0x48_64_4e_31
export const MAGIC_AT = 0
export const HIGH_AT = 1
export const LOW_AT = 2
export const NONCE_AT = 4
export const NONCE_BYTES = 16

/** Packets that went out here so far. */
export const PUBLISHED = LINE / 4
/** In which term packets go out here; 0 = they do not, for now. */
export const TERM = PUBLISHED + 1
/** `PUBLISHED` when the term began. What went out between two terms came by datagrams only. */
export const TERM_START = PUBLISHED + 2
/** 1 = the sender waits until its readers have come to their goals: the last one rings it, or with ANY the first. */
export const ROOM_WANTED = PUBLISHED + 3
export const ANY = PUBLISHED + 4
/** Slots that were ever used: no reader is behind them. */
export const USED = PUBLISHED + 5
/** 1 = the sender has left this memory. */
export const CLOSED = PUBLISHED + 6

export const GENERATIONS = (2 * LINE) / 4

/** As the engine's: packets lie in one. */
export const CHUNK = 256 * 1024
/** 64 MiB: more is not shared. */
export const MOST_CHUNKS = 256

const SLOTS_AT = 2 * LINE + MOST_CHUNKS * 4
export const SLOTS = 64
/** Words of a slot. */
export const STATE = 0
/** 1 = the reader sleeps: whoever publishes rings. */
export const WANTED = 1
/** Packets that the reader has taken or passed over: who sleeps and has all is not rung by others. */
export const PROGRESS = 2
/** The term in which the reader takes packets here; 0 = it never has. */
export const READS = 3
/** Number of the first packet that it has not consumed, and the one that the sender waits for: the lower 32 bits of each. */
export const POSITION = 4
export const GOAL = 5
/** Where it is rung: a port, and a host as text. */
export const PORT = 6
export const HOST_LENGTH = 7
const HOST_AT = 8
/** An IPv6 address with its zone. */
export const HOST_BYTES = 64

/** A number that opens the slot, once. */
export const TICKET = HOST_AT + HOST_BYTES / 4

/** States. A slot is the reader's until it says FREE: who is thought dead may come back and write to it. */
export const FREE = 0
export const TAKEN = 1
/** The sender has not heard of the reader for long, and does not look here any more. */
export const ABANDONED = 2

/** In words. */
export const slotAt = (slot: number): number => (SLOTS_AT + slot * LINE) / 4
/** In bytes. */
export const hostAt = (slot: number): number => SLOTS_AT + slot * LINE + HOST_AT * 4

const INDEX_AT = SLOTS_AT + SLOTS * LINE
/** More than a window of the default size has of the smallest packets. */
export const ENTRIES = 16_384
const ENTRY_WORDS = 4
/** In words. */
export const entryAt = (count: number): number => INDEX_AT / 4 + (count & (ENTRIES - 1)) * ENTRY_WORDS

export const CHUNKS_AT = INDEX_AT + ENTRIES * ENTRY_WORDS * 4

/** Bytes of memory with so many chunks. */
export function sharedSize(chunks: number): number {
  return CHUNKS_AT + chunks * CHUNK
}
