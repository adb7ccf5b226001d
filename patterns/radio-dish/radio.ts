import type { SocketOptions } from "../../core/construct.ts"
import type { ControlName, DropReason, Message, Pipe } from "../../core/contract.ts"
import { Distributor } from "../../core/distributor.ts"
import { HeddleError } from "../../core/errors.ts"
import type { MessageLike } from "../../core/message.ts"
import { defineOptions, flag, integer } from "../../core/options.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { SendingSocket } from "../../core/sending-socket.ts"
import { haveRoom } from "../pubsub/have-room.ts"
import { cut, type Group, MAX_GROUP, toGroup } from "./group.ts"

export interface RadioSettings extends OutboxOptions {
  readonly noDrop: boolean
  readonly maxGroups: number
}

/** The group that a message is for. */
export interface GroupOption {
  /** At most 255 bytes; it ends at the first NUL. */
  group: Buffer | string
}

/** Groups given as strings whose bytes are kept, so that they are not made anew for each message; a program has few. */
const KNOWN_NAMES = 4096

/** Bytes of a datagram besides the group and the body: the length of the group. */
const DATAGRAM_OVERHEAD = 1

/** Sends each message to all peers that joined its group (RFC 48). See SPEC.md. */
export class RadioPattern implements SendingPattern<GroupOption> {
  readonly outbox: Outbox<GroupOption>
  private readonly settings: RadioSettings
  private readonly distributor = new Distributor()
  /** By group, and each with all of `everyGroup`; an array is never changed, so that the distributor knows it again. */
  private readonly members = new Map<string, readonly Pipe[]>()
  /** Pipes to addresses, where nobody is who could join (RADIO-11). */
  private everyGroup: readonly Pipe[] = []
  private readonly names = new Map<string, Group>()
  private readonly connected = new Set<Pipe>()
  private unwanted = 0

  constructor(settings: RadioSettings) {
    this.settings = settings
    this.outbox = new Outbox((message, option) => this.publish(message, option), settings)
  }

  get dropped(): Partial<Record<DropReason, number>> {
    return this.unwanted === 0 ? {} : { "no-peer": this.unwanted }
  }

  get canSend(): boolean {
    return !this.settings.noDrop || haveRoom([...this.connected, ...this.everyGroup])
  }

  attach(pipe: Pipe): void {
    this.distributor.forget()
    if (pipe.addressed === true) this.setEveryGroup([...this.everyGroup, pipe])
  }

  online(pipe: Pipe): void {
    this.distributor.forget()
    if (pipe.addressed === true) return
    this.connected.add(pipe)
    // How often the peer joined each group (RADIO-3).
    pipe.state = new Map<string, number>()
  }

  // RADIO-9 a Dish has nothing to say but JOIN and LEAVE.
  receive(pipe: Pipe, _message: Message): void {
    pipe.drop("malformed")
  }

  control(pipe: Pipe, name: ControlName, body: Buffer): void {
    if (!this.connected.has(pipe)) return
    if (name === "JOIN") this.join(pipe, cut(body))
    else if (name === "LEAVE") this.leave(pipe, cut(body).toString("latin1"))
  }

  writable(_pipe: Pipe): void {
    this.outbox.flush()
  }

  // RADIO-7 a peer that comes back joins again.
  offline(pipe: Pipe): void {
    if (!this.connected.delete(pipe)) return
    this.distributor.forget()
    for (const key of (pipe.state as Map<string, number>).keys()) this.removeMember(pipe, key)
    pipe.state = null
    this.outbox.flush()
  }

  flush(): void {
    this.distributor.flush()
  }

  detach(pipe: Pipe): void {
    this.offline(pipe)
    this.distributor.forget()
    if (pipe.addressed !== true) return
    this.setEveryGroup(this.everyGroup.filter(one => one !== pipe))
    this.outbox.flush()
  }

  private publish(message: Message, option: GroupOption | undefined): boolean {
    if (message.length !== 1) throw new HeddleError("EINVAL", "Invalid argument: a Radio sends messages of one frame")
    const group = this.groupOf(option?.group)
    const pipes = this.members.get(group.key) ?? this.everyGroup
    if (pipes.length === 0) {
      this.unwanted++
      return true
    }
    if (this.everyGroup.length > 0) this.mustFit(group.bytes, message[0])
    // RADIO-6
    if (this.settings.noDrop && !haveRoom(pipes)) return false
    // RADIO-1, RADIO-5 the distributor drops, and counts, for each peer that is full.
    this.distributor.send([group.bytes, message[0]], pipes)
    return true
  }

  /** RADIO-12 all or nobody: a message that is too long for one way out is a mistake of the program. */
  private mustFit(group: Buffer, body: Buffer): void {
    const size = DATAGRAM_OVERHEAD + group.length + body.length
    for (const { largestDatagram = size } of this.everyGroup) {
      if (size <= largestDatagram) continue
      throw new HeddleError(
        "EMSGSIZE",
        `Message too long: ${body.length} bytes to a group of ${group.length} bytes; a datagram has ${largestDatagram}, and one of them is the length of the group: send at most ${largestDatagram - DATAGRAM_OVERHEAD - group.length} bytes, or use tcp://`,
      )
    }
  }

  private setEveryGroup(pipes: readonly Pipe[]): void {
    const before = this.everyGroup
    this.everyGroup = pipes
    for (const [key, members] of this.members) {
      this.members.set(key, [...members.filter(one => !before.includes(one)), ...pipes])
    }
  }

  private groupOf(value: Buffer | string | undefined): Group {
    if (typeof value !== "string") return toGroup(value)
    const known = this.names.get(value)
    if (known !== undefined) return known
    const group = toGroup(value)
    if (this.names.size === KNOWN_NAMES) this.names.clear()
    this.names.set(value, group)
    return group
  }

  private join(pipe: Pipe, name: Buffer): void {
    const joined = pipe.state as Map<string, number>
    const { maxGroups } = this.settings
    if (name.length > MAX_GROUP) {
      this.refuse(pipe, "ERR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED", `joined a group of ${name.length} bytes`)
      return
    }
    const key = name.toString("latin1")
    const times = joined.get(key) ?? 0
    if (times === 0 && maxGroups > 0 && joined.size >= maxGroups) {
      this.refuse(pipe, "ERR_SUBSCRIPTION_LIMIT", `joined more than ${maxGroups} groups; see the option maxGroups`)
      return
    }
    joined.set(key, times + 1)
    if (times === 0) this.members.set(key, [...(this.members.get(key) ?? this.everyGroup), pipe])
  }

  private leave(pipe: Pipe, key: string): void {
    const joined = pipe.state as Map<string, number>
    const times = joined.get(key) ?? 0
    if (times > 1) joined.set(key, times - 1)
    else if (joined.delete(key)) {
      this.removeMember(pipe, key)
      this.outbox.flush()
    }
  }

  private removeMember(pipe: Pipe, key: string): void {
    const left = (this.members.get(key) ?? []).filter(one => one !== pipe)
    if (left.length > this.everyGroup.length) this.members.set(key, left)
    else this.members.delete(key)
  }

  private refuse(
    pipe: Pipe,
    code: "ERR_SUBSCRIPTION_LIMIT" | "ERR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED",
    what: string,
  ): void {
    const address = pipe.peer?.address ?? ""
    pipe.close(new HeddleError(code, `The peer at ${address} ${what}`, { address, fatal: true }))
  }
}

/**
 * Sends messages to groups: each Dish gets those of the groups that it joined. Never waits: a Dish whose queue is full
 * misses the message, and `stats()` counts it.
 */
export class Radio extends SendingSocket<MessageLike, [GroupOption]> {
  /**
   * Wait when a peer in the group is full, instead of dropping the message for that peer: nobody gets the message before
   * all can take it. Default false. Live. [ZMQ_XPUB_NODROP]
   */
  declare noDrop: boolean
  /** Groups that one peer may join; who joins more is refused with ERR_SUBSCRIPTION_LIMIT. 0 = unlimited. Default 1,000,000. Live. */
  declare maxGroups: number

  constructor(options: SocketOptions<Radio> = {}) {
    super("RADIO", (settings: RadioSettings) => new RadioPattern(settings), options)
  }
}

defineOptions(Radio, {
  noDrop: flag(false, true),
  maxGroups: integer(1_000_000, { min: 0, live: true, unit: "groups" }),
})
