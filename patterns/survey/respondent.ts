import type { SocketOptions } from "../../core/construct.ts"
import type { DropReason, Message, Pipe } from "../../core/contract.ts"
import { DuplexSocket } from "../../core/duplex-socket.ts"
import { HeddleError } from "../../core/errors.ts"
import { Inbox, type InboxOptions, type ReceivingPattern } from "../../core/inbox.ts"
import { Outbox, type OutboxOptions, type SendingPattern } from "../../core/outbox.ts"
import { ID_SIZE } from "./header.ts"

type RespondentOptions = InboxOptions & OutboxOptions

/** Devices that a survey may pass; more means that they form a ring. As nanomsg's NN_MAXTTL. */
const MAX_HOPS = 8

/** `pipe.state` of a surveyor that has not left. */
const HERE = Symbol("here")

interface Survey {
  readonly pipe: Pipe
  readonly message: Message
  /** Frames of the stack, the id included. */
  readonly depth: number
}

/** Answers surveys, one at a time (nanomsg's RESPONDENT). */
export class RespondentPattern implements SendingPattern, ReceivingPattern<Message> {
  readonly inbox: Inbox<Survey, Message>
  readonly outbox: Outbox
  /** Answers to surveyors that have left. */
  readonly dropped: Partial<Record<DropReason, number>> = {}
  /** The survey that was received last, until it is answered. */
  private open: Survey | null = null

  constructor(options: RespondentOptions) {
    // RESPONDENT-3.
    this.inbox = new Inbox<Survey, Message>(options, {
      open: survey => {
        this.open = survey
        return survey.message.slice(survey.depth)
      },
    })
    this.outbox = new Outbox(message => this.answer(message), options)
  }

  get canSend(): boolean {
    return this.open !== null
  }

  attach(pipe: Pipe): void {
    pipe.state = HERE
  }

  online(pipe: Pipe): void {
    this.inbox.queue.reconnected(pipe)
  }

  receive(pipe: Pipe, message: Message): void {
    const depth = depthOf(message)
    if (depth === 0) pipe.drop("malformed")
    else this.inbox.deliver(pipe, { pipe, message, depth })
  }

  // Nobody waits for room.
  writable(_pipe: Pipe): void {}

  detach(pipe: Pipe): void {
    pipe.state = null
  }

  /** RESPONDENT-4: never waits; an answer that finds no room is dropped. */
  private answer(message: Message): boolean {
    const survey = this.open
    if (survey === null) {
      throw new HeddleError(
        "EFSM",
        "Operation cannot be accomplished in current state: there is no survey to answer; receive one first, and answer it once",
      )
    }
    this.open = null
    const { pipe, depth } = survey
    if (pipe.state !== HERE) this.dropped["no-peer"] = (this.dropped["no-peer"] ?? 0) + 1
    else if (!pipe.send([...survey.message.slice(0, depth), ...message])) pipe.drop("full")
    return true
  }
}

/** RESPONDENT-2: frames up to and including the one with the highest bit set; 0 = this is no survey. */
function depthOf(message: Message): number {
  const most = Math.min(message.length - 1, MAX_HOPS + 1)
  for (let i = 0; i < most; i++) {
    const frame = message[i]
    if (frame.length !== ID_SIZE) return 0
    if (frame[0] >= 0x80) return i + 1
  }
  return 0
}

/**
 * Answers the surveys of its Surveyors: `receive` gives the next, `send` answers the one received last, once (EFSM
 * otherwise). An answer to a surveyor that has left or has no room is dropped.
 */
export class Respondent extends DuplexSocket {
  constructor(options: SocketOptions<Respondent> = {}) {
    super("RESPONDENT", (settings: RespondentOptions) => new RespondentPattern(settings), options)
  }
}
