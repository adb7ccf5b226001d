/**
 * Reliable multicast without sockets and timers: what a sender and the receivers of a group do, packet by packet (SPEC.md;
 * wire.ts has the layout). Whoever drives it brings time, randomness and a way out.
 *
 * - A host serves one engine. It calls `tick()` at the time that `wake` named last; earlier and later are harmless.
 * - A sender hears only what receivers send it (`reply`, or the group); other packets given to `received` are passed over.
 * - Bytes given to `received` are the engine's for ever: messages are views on them.
 * - Bytes given to `send` and `reply` must not be changed. The engine changes the flags and the trail of a packet that it
 *   sends again, and with `reuse` all of it, later.
 * - Nothing throws, whatever the bytes are. Callbacks may call the engine back.
 */
import type { Message, MulticastParity } from "../../core/contract.ts"
import { type ChunkMemory, ORDINARY } from "./chunks.ts"
import type { Receiver } from "./flow.ts"

export type { Receiver } from "./flow.ts"
export { GroupReceiver } from "./receiver.ts"
export { GroupSender } from "./sender.ts"
export { newSessionId, packetSession } from "./wire.ts"

/** Receivers that say how far they are elsewhere than in reports: in memory that they share with the sender. */
export interface Nearby {
  /** A receiver is known from now on, or not any more. */
  joined(receiver: Receiver): void
  left(receiver: Receiver): void
  /** Tells the sender what they say (`moved`). True = something is new. */
  gather(): boolean
  /** Every receiver that is known gets what is sent there: hardly anything is lost on the way. */
  readonly alone: boolean
  /** `goOn` shall be called when each of them has come to the packet that `goal` gives for it. True = they have. */
  await(goal: (receiver: Receiver) => number): boolean
}

export interface GroupHost {
  /** Milliseconds with fractions, never going back; only differences mean something. */
  now(): number
  /** 0 up to, not including, 1. */
  random(): number
  /** To the group. False = taken, but no more until `drained()`: of receivers it is then lost, which they can bear. */
  send(bytes: Buffer): boolean
  /**
   * Of receivers: to the sender of a session alone. `source` is that of the session's packets. STATUS goes only this way,
   * NAK of large groups both ways. Absent = both go to the group.
   */
  reply?(bytes: Buffer, source: string): void
  /** Call `tick()` at this time of `now()`. The latest call replaces earlier ones; Infinity = none. */
  wake(at: number): void
  /** Of senders: others read these bytes where they lie, so that a packet is changed in a copy. Absent = nobody does. */
  shares?(bytes: Buffer): boolean
  readonly nearby?: Nearby | null
}

/** Whom the sender waits for: the slowest receiver that is alive, the fastest, or nobody. */
export type FlowControlName = "slowest" | "fastest" | "none"

/** Sizes in bytes, times in milliseconds. SENDER_DEFAULTS has the reasons for the defaults. */
export interface SenderSettings {
  /** Largest datagram, header included: 512 to 65,507. */
  readonly datagram: number
  /** What kind of session it is, for whoever receives it: 0 to 255, of no meaning here. */
  readonly kind: number
  /** What is kept for repairs. A packet counts as its length and 512 bytes more, for what surrounds it. */
  readonly window: number
  /** How long it is kept. */
  readonly recoveryInterval: number
  /** Bytes a second, headers and repairs included; 0 = no limit but that of flow control. */
  readonly rate: number
  readonly flow: FlowControlName
  /** What may be sent before the first receiver has said how much it takes. */
  readonly initialWindow: number
  /** A receiver that was silent for so long is waited for no more. */
  readonly receiverTimeout: number
  /** Receivers that are known at a time. */
  readonly maxReceivers: number
  /** Share of what is sent that repairs may have, 0 to 1. */
  readonly repairShare: number
  /** PARITY for every so many packets; "auto" = while receivers lose some, for as many as their loss asks for (MC-75). */
  readonly parity: MulticastParity
  /** How long `end()` waits for receivers that have not got everything. */
  readonly linger: number
  /**
   * Memory of packets that are not kept any more is used again: the host is done with the bytes when `send` returns, or,
   * after the answer false, when it calls `drained`.
   */
  readonly reuse: boolean
  /** Where packets are encoded. */
  readonly memory: ChunkMemory
}

export const SENDER_DEFAULTS: SenderSettings = {
  // An Ethernet frame of 1,500 bytes without the headers of IPv6 and UDP.
  datagram: 1_452,
  kind: 0,
  // 80 ms at 100 MB/s: several times what a NAK, its back-off and the repair take.
  window: 8 * 1024 * 1024,
  // The default of libzmq's ZMQ_RECOVERY_IVL.
  recoveryInterval: 10_000,
  rate: 0,
  flow: "slowest",
  // What the receive buffer of any operating system holds.
  initialWindow: 128 * 1024,
  // 25 reports in a row were lost, or nobody is there.
  receiverTimeout: 5_000,
  maxReceivers: 1_024,
  repairShare: 0.5,
  parity: "auto",
  linger: 5_000,
  reuse: false,
  memory: ORDINARY,
}

/** Sizes in bytes, times in milliseconds. RECEIVER_DEFAULTS has the reasons for the defaults. */
export interface ReceiverSettings {
  /** What a sender may have under way to us: at most what the socket's receive buffer holds. A packet counts 512 more. */
  readonly receiveWindow: number
  /** After so long a gap is reported. */
  readonly recoveryInterval: number
  /** Longest message; a longer one is reported as a gap. -1 = 2^32 - 1. */
  readonly maxMessageSize: number
  /** What all sessions together may keep: packets that wait for earlier ones, and messages that are not whole. */
  readonly memory: number
  /** Senders that are known at a time. */
  readonly maxSessions: number
  /** A sender that was silent for so long is gone. */
  readonly sessionTimeout: number
  /** Where packets overtake each other (MC-41), so much is waited for before one counts as missing. */
  readonly reorderDelay: number
  /** Longest random wait before a NAK in groups of more than 32, while it is not known what repairs take (MC-42). */
  readonly nakBackoff: number
  /** Between two STATUS of a session at most. */
  readonly statusInterval: number
  /** Lost packets are reckoned from PARITY, and the sender is told that it may send such. */
  readonly parity: boolean
}

export const RECEIVER_DEFAULTS: ReceiverSettings = {
  receiveWindow: 8 * 1024 * 1024,
  recoveryInterval: 10_000,
  maxMessageSize: 64 * 1024 * 1024,
  memory: 256 * 1024 * 1024,
  maxSessions: 256,
  // Ten heartbeats of an idle sender.
  sessionTimeout: 10_000,
  reorderDelay: 2,
  // Aeron's and RFC 5401's order: many times the round trip of a local network.
  nakBackoff: 10,
  // 25 in the time after which a sender gives a receiver up.
  statusInterval: 200,
  parity: true,
}

/**
 * Why messages were lost: not repaired in time; no longer with the sender; the receiver was too far behind; longer than
 * `maxMessageSize`; no memory left; the bytes made no sense; the sender fell silent.
 */
export type GapReason = "unrepaired" | "expired" | "overrun" | "size" | "memory" | "malformed" | "timeout"

/** Why a session ended: the sender said so; it fell silent; we did not want it; its place was needed. */
export type SessionEnd = "ended" | "timeout" | "closed" | "evicted"

/**
 * One sender, from the point where we joined it. Its owner sets the three callbacks within `events.session`. A sender that
 * timed out and comes back is a new InboundSession with the same id, which first reports what was missed.
 */
export interface InboundSession {
  /** Of the sender's choice: 16 hexadecimal digits. */
  readonly id: string
  /** Where its packets come from. The same id from elsewhere is another session. */
  readonly source: string
  readonly kind: number
  /** Of its data packets so far. */
  readonly bytes: number
  /** Its packets that were lost and have come all the same, by a repair or from PARITY. */
  readonly mended: number
  /** Milliseconds that these were missed, all together: from when a packet or heartbeat showed it until they came. */
  readonly mendedTime: number
  onMessage: (message: Message) => void
  /** In its place between the messages. A sender counts its messages from 0. */
  onGap: (firstMessage: number, count: number, reason: GapReason) => void
  /** Once, the last call. Not after `close`. */
  onEnd: (reason: SessionEnd) => void
  /** At most the message that is being delivered arrives after it. The sender may have to wait. */
  pause(): void
  /** Delivers what is there, from within this call. */
  resume(): void
  /** Nothing more of this session; the sender waits for us no longer. */
  close(): void
}

export interface ReceiverEvents {
  session(session: InboundSession): void
}

/** Totals. */
export interface SenderStats {
  messages: number
  /** Packets with data, first time, and their bytes. */
  packets: number
  bytes: number
  repairs: number
  repairBytes: number
  parities: number
  parityBytes: number
  heartbeats: number
  statuses: number
  naks: number
  /** Packets that NAKs asked for: not there any more; just repaired; beyond the receiver's or everybody's share. */
  expired: number
  repeated: number
  overBudget: number
  /** NAKs that were not looked at, because there were too many. */
  storm: number
  /** Packets of receivers that make no sense; that use the id of another; that are too many. */
  malformed: number
  foreign: number
  tooMany: number
  /** Messages that came although `send` had answered false, and found no room; and those after `end`. */
  refused: number
  /** Now: receivers that are known. */
  receivers: number
}

/** Totals. */
export interface ReceiverStats {
  messages: number
  packets: number
  bytes: number
  heartbeats: number
  /** Packets that had come before. */
  duplicates: number
  /** Packets that came as a repair and filled a hole, and those that were reckoned from PARITY. */
  repaired: number
  recovered: number
  /** Milliseconds that these were missed, all together. */
  mendedTime: number
  naks: number
  /** Packets whose NAK was put off because another receiver had asked. */
  suppressed: number
  statuses: number
  gaps: number
  /** Messages in gaps. */
  lost: number
  /** Packets dropped: not ours or senseless; sessions too many; too far ahead; no memory. */
  malformed: number
  tooMany: number
  ahead: number
  full: number
  /** Now: sessions that are known, and bytes that they keep. */
  sessions: number
  memory: number
}
