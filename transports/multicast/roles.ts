import type { SocketType } from "../../core/contract.ts"

/** What a type of socket does in a group. */
export interface Role {
  readonly sends: boolean
  readonly receives: boolean
  /** How its sessions are marked, so that the members of a group know their own; 0 = it has none. */
  readonly kind: number
  /** What the others in the group are for it. */
  readonly partner: SocketType
}

const ROLES: Partial<Record<SocketType, Role>> = {
  PUB: { sends: true, receives: false, kind: 1, partner: "SUB" },
  XPUB: { sends: true, receives: false, kind: 1, partner: "SUB" },
  SUB: { sends: false, receives: true, kind: 0, partner: "PUB" },
  XSUB: { sends: false, receives: true, kind: 0, partner: "PUB" },
  RADIO: { sends: true, receives: false, kind: 2, partner: "DISH" },
  DISH: { sends: false, receives: true, kind: 0, partner: "RADIO" },
  BUS: { sends: true, receives: true, kind: 3, partner: "BUS" },
}

/** By `Role.kind`. */
const SENDERS: readonly (SocketType | undefined)[] = [undefined, "PUB", "RADIO", "BUS"]

/** Undefined: it has no place in a group, where nobody gets a message alone and nobody answers. */
export function roleOf(type: SocketType): Role | undefined {
  return ROLES[type]
}

/** Who marks its sessions so; undefined = nobody that we know. */
export function senderOf(kind: number): SocketType | undefined {
  return SENDERS[kind]
}
