import type { SocketOptions } from "../../core/construct.ts"
import type { Message, Pipe } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { ReceivingSocket } from "../../core/receiving-socket.ts"
import { cut, type Group, MAX_GROUP, toGroup } from "./group.ts"

/** What a Dish receives: the message, and the group that it was sent to. */
export type GroupMessage = [message: Buffer, info: { group: Buffer }]

interface Item {
  readonly group: Buffer
  readonly body: Buffer
}

/** Takes the messages of the groups that it joined (RFC 48). See SPEC.md. */
export class DishPattern implements ReceivingPattern<GroupMessage> {
  readonly inbox: Inbox<Item, GroupMessage>
  private readonly groups = new Map<string, Buffer>()
  private readonly connected = new Set<Pipe>()

  constructor(options: InboxOptions) {
    this.inbox = new Inbox(options, { open: ({ group, body }) => [body, { group }], framesOnly: false })
  }

  // DISH-2 all of them or none.
  join(groups: readonly Group[]): void {
    const known = new Set(this.groups.keys())
    for (const { key } of groups) {
      if (known.has(key)) throw new HeddleError("EINVAL", `Invalid argument: group "${key}" is joined already`)
      known.add(key)
    }
    for (const { key, bytes } of groups) {
      this.groups.set(key, bytes)
      for (const pipe of this.connected) pipe.control("JOIN", bytes)
    }
  }

  // DISH-3 all of them or none.
  leave(groups: readonly Group[]): void {
    const known = new Set(this.groups.keys())
    for (const { key } of groups) {
      if (!known.delete(key)) throw new HeddleError("EINVAL", `Invalid argument: group "${key}" is not joined`)
    }
    for (const { key, bytes } of groups) {
      this.groups.delete(key)
      for (const pipe of this.connected) pipe.control("LEAVE", bytes)
    }
  }

  attach(_pipe: Pipe): void {}

  // DISH-4 at once, by a way that no high-water mark bounds.
  online(pipe: Pipe): void {
    this.inbox.queue.reconnected(pipe)
    this.connected.add(pipe)
    for (const bytes of this.groups.values()) pipe.control("JOIN", bytes)
  }

  receive(pipe: Pipe, message: Message): void {
    const group = message[0]
    // DISH-6
    if (message.length !== 2 || group.length > MAX_GROUP) this.refuse(pipe, message)
    else if (this.groups.has(group.toString("latin1"))) this.inbox.deliver(pipe, { group, body: message[1] })
    else this.receiveCut(pipe, cut(group), message[1])
  }

  writable(_pipe: Pipe): void {}

  offline(pipe: Pipe): void {
    this.connected.delete(pipe)
  }

  // DISH-8 what a peer sent before it left stays readable: the inbox keeps it.
  detach(_pipe: Pipe): void {}

  /** DISH-5 what is not of our groups is left; DISH-7 a name ends at its first NUL. */
  private receiveCut(pipe: Pipe, group: Buffer, body: Buffer): void {
    if (this.groups.has(group.toString("latin1"))) this.inbox.deliver(pipe, { group, body })
    else pipe.drop("filtered")
  }

  private refuse(pipe: Pipe, message: Message): void {
    const address = pipe.peer?.address ?? ""
    pipe.drop("malformed")
    pipe.close(
      new HeddleError(
        "ERR_ZMTP_FRAME",
        `The radio at ${address} sent ${message.length} frames, the first of ${message[0].length} bytes; a message to a group has two, the group (at most ${MAX_GROUP} bytes) and the body`,
        { address, fatal: true },
      ),
    )
  }
}

/** Receives what its radios send to the groups that it joined: `[message, { group }]`. */
export class Dish extends ReceivingSocket<GroupMessage> {
  /** @internal */
  declare protected readonly pattern: DishPattern

  constructor(options: SocketOptions<Dish> = {}) {
    super("DISH", (settings: InboxOptions) => new DishPattern(settings), options)
  }

  /**
   * Receives the messages of these groups, now and from every radio that comes later. A name ends at its first NUL. Throws
   * EINVAL, and joins none, when one is joined already or has more than 255 bytes; EBADF.
   */
  join(...groups: (Buffer | string)[]): void {
    this.mustBeOpen()
    this.pattern.join(groups.map(toGroup))
  }

  /** Throws EINVAL, and leaves none, when one is not joined; EBADF. */
  leave(...groups: (Buffer | string)[]): void {
    this.mustBeOpen()
    this.pattern.leave(groups.map(toGroup))
  }
}
