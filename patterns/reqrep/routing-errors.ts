import type { PeerHello, Pipe } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"

/** For people: as text when it is text, otherwise in hexadecimal digits. */
function idText(id: Buffer): string {
  const text = id.toString("latin1")
  return /^[\x20-\x7e]+$/.test(text) ? JSON.stringify(text) : `0x${id.toString("hex")}`
}

function addressOf(peer: PeerHello | null): string {
  return peer?.address ?? ""
}

export function idUnknown(id: Buffer): HeddleError {
  return new HeddleError(
    "EHOSTUNREACH",
    `Host unreachable: no peer has the routing id ${idText(id)}; it is not connected yet, or gone`,
  )
}

export function idInUse(id: Buffer, address: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: the routing id ${idText(id)} is in use; choose another`, {
    address,
  })
}

/** Not fatal: the peer gets in when the other one is gone. */
export function idTaken(id: Buffer, peer: PeerHello | null, holder: Pipe): HeddleError {
  const by = holder.peer === null ? "a peer that is still being dialled" : `the peer at ${holder.peer.address}`
  return new HeddleError(
    "EBUSY",
    `Turned ${addressOf(peer)} away: its routing id ${idText(id)} is taken by ${by}; give each peer its own, or set the option handover`,
    { address: addressOf(peer) },
  )
}

export function idReplaced(id: Buffer, old: Pipe, pipe: Pipe): HeddleError {
  return new HeddleError(
    "ERR_PEER_IDENTITY",
    `The peer at ${addressOf(pipe.peer)} took over the routing id ${idText(id)} of the peer at ${addressOf(old.peer)} (option handover)`,
    { address: addressOf(old.peer) },
  )
}
