import type { SocketType } from "./contract.ts"

/** Who may talk to whom: RFC 28 to 31, 41, 48, 49, 51, 52 and, for the last three, nanomsg. */
const PEERS: Record<SocketType, readonly SocketType[]> = {
  PAIR: ["PAIR"],
  PUB: ["SUB", "XSUB"],
  SUB: ["PUB", "XPUB"],
  XPUB: ["SUB", "XSUB"],
  XSUB: ["PUB", "XPUB"],
  REQ: ["REP", "ROUTER"],
  REP: ["REQ", "DEALER"],
  DEALER: ["REP", "DEALER", "ROUTER"],
  ROUTER: ["REQ", "DEALER", "ROUTER"],
  PUSH: ["PULL"],
  PULL: ["PUSH"],
  CLIENT: ["SERVER"],
  SERVER: ["CLIENT"],
  RADIO: ["DISH"],
  DISH: ["RADIO"],
  SCATTER: ["GATHER"],
  GATHER: ["SCATTER"],
  PEER: ["PEER"],
  CHANNEL: ["CHANNEL"],
  DGRAM: ["DGRAM"],
  STREAM: [],
  SURVEYOR: ["RESPONDENT"],
  RESPONDENT: ["SURVEYOR"],
  BUS: ["BUS"],
}

export function compatible(ours: SocketType, theirs: SocketType): boolean {
  return PEERS[ours].includes(theirs)
}

export function partnersOf(type: SocketType): readonly SocketType[] {
  return PEERS[type]
}

export function isSocketType(name: string): name is SocketType {
  return Object.hasOwn(PEERS, name)
}

/** libzmq's numbers (zmtp.md 1.6), for `socket.type`; Heddle's own types count from 100. */
export const SOCKET_TYPE_NUMBER: Record<SocketType, number> = {
  PAIR: 0,
  PUB: 1,
  SUB: 2,
  REQ: 3,
  REP: 4,
  DEALER: 5,
  ROUTER: 6,
  PULL: 7,
  PUSH: 8,
  XPUB: 9,
  XSUB: 10,
  STREAM: 11,
  SERVER: 12,
  CLIENT: 13,
  RADIO: 14,
  DISH: 15,
  GATHER: 16,
  SCATTER: 17,
  DGRAM: 18,
  PEER: 19,
  CHANNEL: 20,
  SURVEYOR: 100,
  RESPONDENT: 101,
  BUS: 102,
}

/** The types that send `Identity` in READY, even when it is empty (zmtp.md 1.5). */
export function announcesIdentity(type: SocketType): boolean {
  return type === "REQ" || type === "DEALER" || type === "ROUTER"
}
