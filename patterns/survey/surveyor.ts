import type { SocketOptions } from "../../core/construct.ts"
import type { Message, Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { HeddleError } from "../../core/errors.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { type MessageLike, toMessage } from "../../core/message.ts"
import { defineOptions, integer } from "../../core/options.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { Broadcast } from "../bus/broadcast.ts"
import { headerOf, ID_BIT, ID_SIZE } from "./header.ts"

export interface SurveyorSettings extends InboxOptions, OutboxOptions {
  /** Milliseconds that a survey takes; 0 = until the next one. */
  readonly surveyDeadline: number
}

/** Asks all and collects answers for a limited time (nanomsg's SURVEYOR). */
export class SurveyorPattern implements SendingPattern, ReceivingPattern<Message> {
  readonly inbox: Inbox<Message>
  readonly outbox: Outbox
  /** SURVEYOR-3: it never waits. */
  readonly canSend = true
  private readonly options: SurveyorSettings
  private readonly peers = new Broadcast()
  /** Id of the last survey, bit 31 set. */
  private id: number
  private state: "none" | "open" | "over" = "none"
  /** Milliseconds of the last survey. */
  private deadline = 0
  private timer: NodeJS.Timeout | undefined

  /** SURVEYOR-2: ids begin at a random place, so that answers to an earlier run are known as stale. */
  constructor(options: SurveyorSettings, lastId = Math.floor(Math.random() * ID_BIT)) {
    this.options = options
    this.id = lastId
    this.inbox = new Inbox(options, { guard: () => this.mayReceive() })
    this.outbox = new Outbox(message => {
      this.start(message)
      return true
    }, options)
  }

  /** Takes the place of the survey before (SURVEYOR-5). Returns the new one's id. */
  start(message: Message, deadline = this.options.surveyDeadline): number {
    this.cancel(REPLACED)
    this.id = ((this.id + 1) | ID_BIT) >>> 0
    this.state = "open"
    // The timer does not keep the process alive; whoever waits for an answer does.
    this.deadline = deadline
    if (deadline > 0) this.timer = setTimeout(() => this.expire(), deadline).unref()
    this.peers.send([headerOf(this.id), ...message])
    return this.id
  }

  /** The next answer to this survey, for `survey()`. Rejects with ETIMEDOUT at the deadline and with EFSM when it was replaced. */
  answer(id: number): Promise<Message> {
    return id === this.id && this.state !== "none" ? this.inbox.receive() : Promise.reject(wrongState(REPLACED))
  }

  /** Nobody wants further answers to this survey. */
  end(id: number): void {
    if (id === this.id) this.cancel("the survey has ended")
  }

  attach(pipe: Pipe): void {
    this.peers.attach(pipe)
  }

  online(pipe: Pipe): void {
    this.peers.online(pipe)
    this.inbox.queue.reconnected(pipe)
  }

  offline(pipe: Pipe): void {
    this.peers.offline(pipe)
  }

  receive(pipe: Pipe, message: Message): void {
    const header = message[0]
    // SURVEYOR-8.
    if (message.length < 2 || header.length !== ID_SIZE || header[0] < 0x80) pipe.drop("malformed")
    // SURVEYOR-7.
    else if (this.state !== "open" || header.readUInt32BE(0) !== this.id) pipe.drop("stale")
    else this.inbox.deliver(pipe, message.slice(1)) // SURVEYOR-4
  }

  // Nobody waits for room.
  writable(_pipe: Pipe): void {}

  detach(pipe: Pipe): void {
    this.peers.detach(pipe)
  }

  flush(): void {
    this.peers.flush()
  }

  /** The socket ends. */
  close(): void {
    clearTimeout(this.timer)
  }

  /** What was not read is dropped as "stale", and who waits hears why. */
  private cancel(why: string): void {
    clearTimeout(this.timer)
    this.state = "none"
    this.inbox.queue.clear("stale")
    this.inbox.rejectWaiters(wrongState(why))
  }

  /** SURVEYOR-6: what came in time can still be read; then there is nothing to wait for. */
  private expire(): void {
    this.state = "over"
    this.inbox.rejectWaiters(timedOut(this.deadline))
  }

  private mayReceive(): void {
    if (this.state === "none") throw wrongState("no survey is under way")
    if (this.state === "over" && !this.inbox.readable) throw timedOut(this.deadline)
  }
}

const REPLACED = "a new survey has replaced the one that this receive belonged to"

function wrongState(why: string): HeddleError {
  return new HeddleError("EFSM", `Operation cannot be accomplished in current state: ${why}; receive after send`)
}

function timedOut(deadline: number): HeddleError {
  return new HeddleError(
    "ETIMEDOUT",
    `The survey is over: its deadline (${deadline} ms) has passed, and all answers are read; give more time by surveyDeadline`,
  )
}

const DEADLINE = integer(1000, { min: 0, live: true, unit: "milliseconds" })

export interface SurveyOptions {
  /** Milliseconds until the survey is over; 0 = never. Default: the option `surveyDeadline`. */
  deadline?: number
  /** Ends the survey when so many answers are there. Default: no limit. */
  max?: number
}

/**
 * Asks all its Respondents and collects their answers. `send` starts a survey, and replaces the one before; it never
 * waits, and a Respondent that is not connected or has no room is not asked (`stats().dropped`). `receive` gives the
 * answers until `surveyDeadline`, then rejects with ETIMEDOUT; before the first survey, or when a new one replaces the one
 * that it waits for, with EFSM.
 */
export class Surveyor extends DuplexSocket {
  /** Milliseconds that answers are taken after `send`; 0 = until the next survey. Default 1,000. Live. [NN_SURVEYOR_DEADLINE] */
  declare surveyDeadline: number

  /** @internal */
  declare protected readonly pattern: SurveyorPattern

  constructor(options: SocketOptions<Surveyor> = {}) {
    super("SURVEYOR", (settings: SurveyorSettings) => new SurveyorPattern(settings), options)
  }

  /**
   * Asks, and gives the answers as they come: `for await (const answer of surveyor.survey("who is there?"))`. The survey
   * begins with the loop, and ends at the deadline, after `max` answers, when the loop is left, or when the socket is
   * closed. Throws EFSM when another survey takes its place, EINVAL for a deadline that is no number of milliseconds.
   */
  async *survey(
    message: MessageLike | readonly MessageLike[],
    { deadline, max = Number.POSITIVE_INFINITY }: SurveyOptions = {},
  ): AsyncGenerator<Message, void, undefined> {
    this.mustBeOpen()
    const { pattern } = this
    const limit = deadline === undefined ? this.surveyDeadline : DEADLINE.check(deadline, "deadline")
    const id = pattern.start(toMessage(message), limit)
    try {
      for (let count = 0; count < max; count++) yield await pattern.answer(id)
    } catch (error) {
      if (!this.closed && (error as HeddleError).code !== "ETIMEDOUT") throw error
    } finally {
      pattern.end(id)
    }
  }

  protected override cancelWaiters(): void {
    super.cancelWaiters()
    this.pattern.close()
  }
}

defineOptions(Surveyor, { surveyDeadline: DEADLINE })
