import { isAsciiSubject } from "../../core/subject.ts"
import { SubjectKey } from "../../core/subject-key.ts"
import type { Reader } from "../../core/varint.ts"
import { QUEUE, readInterest, SERVE, SUBSCRIBE, WORK } from "./interest.ts"
import { ITSELF } from "./introspection.ts"
import type { Incoming, NumberedSubject } from "./link/incoming.ts"
import type { Link } from "./link/link.ts"
import { Lookahead } from "./link/lookahead.ts"
import { NOTHING, Parcel } from "./link/parcel.ts"
import { readContent, subjectOf } from "./link/read.ts"
import * as R from "./link/records.ts"
import { OWN_CODEC, writeNumbers, writeRecord } from "./link/write.ts"
import { type Envelope, type Extra, extraOf, FabricMessage, NamedEnvelope } from "./message.ts"
import type { Node } from "./node.ts"
import { nameOf } from "./peers.ts"
import { ownFailure } from "./requests/failures.ts"
import { RequestMessage } from "./requests/request-message.ts"
import type { Service } from "./requests/service.ts"
import type { Subscription } from "./subscription.ts"
import type { Worker } from "./tasks/worker.ts"
import { isSubscription } from "./wishes.ts"

/** Bytes of a TASK_RESULT without its payload, roughly. */
const RESULT = 8

/** So many subscriptions do not fit into the processor's nearer caches any more (some 200 bytes each). */
const FAR = 10_000

/** Windows full of replies that a client may leave unread before its requests are passed over. */
const OWED = 4

/** What came from peers, record by record: read, checked, and given to whom it concerns. */
export class Receiving {
  private readonly node: Node
  private readonly key = new SubjectKey()
  private readonly wanted: Subscription[] = []
  private readonly lookahead = new Lookahead()

  constructor(node: Node) {
    this.node = node
  }

  /** `extra`: of messages that a group carried. */
  published(
    subject: NumberedSubject,
    codec: number,
    bytes: Buffer,
    start: number,
    end: number,
    extra: Extra | null = null,
  ): void {
    const { local } = this.node.topics
    if (subject.generation !== local.generation) {
      subject.wanted.length = 0
      local.match(subject.subject, subject.wanted)
      subject.generation = local.generation
    }
    const { wanted } = subject
    if (wanted.length === 0) return
    const message = new FabricMessage(subject, codec, bytes, start, end, extra)
    if (this.node.schemas.size > 0 && !this.isValid(message)) return
    for (let i = 0; i < wanted.length; i++) wanted[i].deliver(message, null)
  }

  /** Messages come: what they need is brought near. Returns how far it has looked. */
  lookAhead(bytes: Buffer, at: number, end: number): number {
    const { topics, wishes } = this.node
    if (topics.local.size >= FAR) return this.lookahead.look(topics.local, wishes, bytes, at, end)
    this.lookahead.clear()
    return end
  }

  record(link: Link, from: Incoming, type: number, codec: number, body: Reader, apart: Buffer | null): void {
    switch (type) {
      case R.PUBLISH_MORE:
        if (!this.publishedNamed(from, codec, body)) this.publishedMore(link, from, codec, body, apart)
        break
      case R.REQUEST:
        this.requested(link, from, codec, body, apart)
        break
      case R.REPLY: {
        const { at } = body
        if (body.byte() === 0 && codec !== OWN_CODEC) {
          const id = body.varint()
          const message = new FabricMessage(from.origin.nameless, codec, body.bytes, body.at, body.end, null)
          this.node.requests.replied(id, 0, message, link)
          break
        }
        body.at = at
        const { options, numbers, envelope, codecName, source, start, end, headers } = readContent(
          body,
          codec,
          1,
          false,
          from,
          apart,
        )
        const message = new FabricMessage(envelope, codec, source, start, end, extraOf(codecName, headers))
        this.node.requests.replied(numbers[0], options, message, link)
        break
      }
      case R.TASK:
        this.taskCame(link, from, codec, body, apart)
        break
      case R.TASK_RESULT: {
        const { options, numbers, source, start, end } = readContent(body, codec, 2, false, from, apart)
        this.node.tasks.result(link, numbers[0], options, numbers[1], source.subarray(start, end), link.name)
        break
      }
      case R.CANCEL:
        this.node.services.cancel(link, body.varint())
        break
      case R.CREDIT:
        this.node.services.credit(link, body.varint(), body.varint())
        break
      case R.DONE: {
        const interest = link.interests.get(body.varint())
        if (interest !== undefined) interest.outstanding = Math.max(0, interest.outstanding - body.varint())
        break
      }
      // What came by a stream of before and is read only now says nothing of what the peer wants now.
      case R.INTEREST:
        if (from === link.incoming) this.node.interestCame(link, readInterest(body))
        break
      case R.NO_INTEREST:
        if (from === link.incoming) this.node.interestWent(link, body.varint())
        break
      case R.NOTICE:
        this.noticed(link, from, body)
        break
      case R.CARRY:
        this.node.carry?.record(link, body, apart)
        break
      // Others are of later versions.
    }
  }

  /**
   * A message with its subject as text and nothing else: found by the bytes of the subject, without making a string. False:
   * it is not of that kind, or of no kind at all.
   */
  private publishedNamed(from: Incoming, codec: number, body: Reader): boolean {
    const { bytes, at, end } = body
    if (codec === OWN_CODEC || end - at < 3) return false
    if (bytes[at] === R.FOR_ONE) return this.publishedForOne(from, codec, body)
    if (bytes[at] !== R.INLINE_SUBJECT) return false
    const length = bytes[at + 1]
    const start = at + 2
    const payload = start + length
    if (length >= 0x80 || payload > end) return false
    return this.publishedHere(from, codec, bytes, start, payload, end)
  }

  /** The same with the number of the subscription that wants it. */
  private publishedForOne(from: Incoming, codec: number, body: Reader): boolean {
    const { bytes, at, end } = body
    let start = at + 2
    let id = 0
    let more = true
    for (let shift = 0; more && shift < 28; shift += 7) {
      const byte = bytes[start++]
      id |= (byte & 127) << shift
      more = byte >= 0x80
    }
    const length = bytes[start++]
    const payload = start + length
    // All that was read lies before `payload`: where it does not lie in the record, none of it counts.
    if (more || bytes[at + 1] !== 1 || !(length < 0x80) || payload > end || !isAsciiSubject(bytes, start, payload))
      return false
    const subscription = this.node.wishes.plain(id)
    if (subscription === undefined) return this.publishedHere(from, codec, bytes, start, payload, end)
    const envelope = new NamedEnvelope(bytes, start, payload, from.origin)
    const message = new FabricMessage(envelope, codec, bytes, payload, end, null)
    if (this.node.schemas.size === 0 || this.isValid(message)) subscription.deliver(message, null)
    return true
  }

  /** A message for whoever wants its subject, which lies in `bytes` from `start` to `payload`. */
  private publishedHere(
    from: Incoming,
    codec: number,
    bytes: Buffer,
    start: number,
    payload: number,
    end: number,
  ): boolean {
    const { wanted } = this
    let key = this.lookahead.take(bytes, start)
    if (key === null) {
      key = this.key
      if (!key.setBytes(bytes, start, payload)) return false
    }
    const count = this.node.topics.local.matchKey(key, wanted)
    if (count === 0) return true
    const message = new FabricMessage(
      new NamedEnvelope(bytes, start, payload, from.origin),
      codec,
      bytes,
      payload,
      end,
      null,
    )
    if (count === 1) {
      const subscription = wanted.pop() as Subscription
      if (this.node.schemas.size === 0 || this.isValid(message)) subscription.deliver(message, null)
      return true
    }
    // Who handles it may have more handled at once.
    const several = wanted.splice(0)
    if (this.node.schemas.size > 0 && !this.isValid(message)) return true
    for (let i = 0; i < count; i++) several[i].deliver(message, null)
    return true
  }

  private publishedMore(link: Link, from: Incoming, codec: number, body: Reader, apart: Buffer | null): void {
    const { options, numbers, targets, envelope, codecName, headers, source, start, end } = readContent(
      body,
      codec,
      0,
      true,
      from,
      apart,
    )
    const number = (options & R.NUMBERS) !== 0 ? numbers[0] : 0
    const place = Math.max(0, number - numbers[1])
    const { subject } = envelope
    const extra = extraOf(codecName, headers, (options & R.KEPT) !== 0)
    const message = new FabricMessage(envelope, codec, source, start, end, extra)
    const valid = this.node.schemas.size === 0 || this.isValid(message)
    const over = (options & R.PLAIN) !== 0 && targets.some(id => this.node.wishes.plain(id) === undefined)
    if (((options & R.TARGETS_ONLY) === 0 || over) && valid) {
      const wanted: Subscription[] = []
      this.node.topics.local.match(subject, wanted)
      for (const subscription of wanted) subscription.deliver(message, null)
    }
    if (over) return
    for (const id of targets) {
      const interest = this.node.wishes.get(id)
      // It has just ended: who published does not know yet, and counts on an answer.
      if (interest === undefined || !isSubscription(interest) || !valid) writeNumbers(link.outgoing, R.DONE, [id, 1])
      else {
        const subscription = interest.owner as Subscription
        const again = number > 0 && interest.spec.history > 0 && !subscription.had.isNew(link.node, number, place)
        if (!again) subscription.deliver(message, link)
      }
    }
  }

  private isValid(message: FabricMessage): boolean {
    try {
      message.replace(this.node.schemas.check(message.subject, message.data))
      return true
    } catch (error) {
      this.node.emitDrop("here", null, message.subject, "malformed", 1)
      this.node.emit({ type: "error", subject: message.subject, error })
      return false
    }
  }

  private requested(link: Link, from: Incoming, codec: number, body: Reader, apart: Buffer | null): void {
    const { at } = body
    if (body.byte() !== 0 || codec === OWN_CODEC) {
      body.at = at
      this.requestedMore(link, from, codec, body, apart)
      return
    }
    const id = body.varint()
    const target = body.varint()
    const timeout = body.varint()
    const credit = body.varint()
    const subject = subjectOf(from.subjects, body.varint())
    this.ask(link, from, id, target, timeout, credit, subject, codec, body.bytes, body.at, body.end, null)
  }

  /** One with a payload apart, headers, or a subject that has no number. */
  private requestedMore(link: Link, from: Incoming, codec: number, body: Reader, apart: Buffer | null): void {
    const { numbers, envelope, codecName, headers, source, start, end } = readContent(body, codec, 4, true, from, apart)
    const [id, target, timeout, credit] = numbers
    const extra = extraOf(codecName, headers)
    this.ask(link, from, id, target, timeout, credit, envelope, codec, source, start, end, extra)
  }

  private ask(
    link: Link,
    from: Incoming,
    id: number,
    target: number,
    timeout: number,
    credit: number,
    envelope: Envelope,
    codec: number,
    source: Buffer,
    start: number,
    end: number,
    extra: Extra | null,
  ): void {
    if (target === ITSELF) {
      const asked = new FabricMessage(envelope, codec, source, start, end, extra)
      this.node.introspection.asked(link, id, asked)
      return
    }
    const interest = this.node.wishes.get(target)
    if (interest?.spec.kind !== SERVE) {
      const failure = ownFailure("ERR_NO_RESPONDERS", `the server of ${envelope.subject} has just ended`)
      link.reply(id, R.FAILED, Parcel.failure(failure))
      return
    }
    // A client that asks and does not read: what it is owed must not grow without a bound. It will find that nobody answers.
    if (link.outgoing.bytes > OWED * this.node.settings.resumeBytes) {
      ;(interest.owner as Service).refused++
      this.node.emitDrop("here", link, envelope.subject, "full", 1)
      return
    }
    const message = new RequestMessage(envelope, codec, source, start, end, extra, from.arrival, timeout)
    if (this.node.schemas.size > 0) {
      try {
        message.replace(this.node.schemas.check(message.subject, message.data))
      } catch (error) {
        const failure = ownFailure("ERR_VALIDATION", (error as Error).message)
        link.reply(id, R.FAILED, Parcel.failure(failure))
        return
      }
    }
    this.node.services.take(link, interest.owner as Service, id, message, credit)
  }

  private taskCame(link: Link, from: Incoming, codec: number, body: Reader, apart: Buffer | null): void {
    const { numbers, envelope, codecName, headers, source, start, end } = readContent(body, codec, 3, true, from, apart)
    const id = numbers[0]
    const target = numbers[1]
    const deliveries = numbers[2]
    const acknowledge = (failure: Buffer | null, load: number): void => {
      if (link.ended) return
      const parcel = failure === null ? NOTHING : Parcel.failure(failure)
      writeRecord(link.outgoing, R.TASK_RESULT, failure === null ? 0 : R.FAILED, [id, load], null, parcel)
      link.outgoing.isControl(RESULT + parcel.size)
    }
    const interest = this.node.wishes.get(target)
    if (interest?.spec.kind !== WORK) {
      acknowledge(ownFailure("ERR_NO_RESPONDERS", "the worker has just ended"), 0)
      return
    }
    const message = new FabricMessage(envelope, codec, source, start, end, extraOf(codecName, headers))
    if (this.node.schemas.size > 0) {
      try {
        message.replace(this.node.schemas.check(message.subject, message.data))
      } catch (error) {
        acknowledge(ownFailure("ERR_VALIDATION", (error as Error).message), 0)
        return
      }
    }
    ;(interest.owner as Worker).take(message, deliveries, acknowledge, link, id)
  }

  private noticed(link: Link, from: Incoming, body: Reader): void {
    const kind = body.varint()
    const current = from === link.incoming
    if (kind === R.GAP) {
      const fresh = body.varint() === 1
      const missing = body.varint()
      const messages = body.varint()
      if (fresh) {
        from.messages = messages
        if (current) this.node.begunAnew(link)
      }
      if (missing > 0) this.node.emit({ type: "gap", peer: nameOf(link), missing })
    } else if (kind === R.SYNC) {
      const token = body.varint()
      this.node.whenCaughtUp(link, () => this.node.answerSync(link, token))
    } else if (kind === R.SYNCED) {
      const token = body.varint()
      if (current) this.node.answered(link, token)
      this.node.whenCaughtUp(link, () => this.node.synced(link, token))
    } else if (kind === R.PAUSE || kind === R.RESUME) {
      const interest = link.interests.get(body.varint())
      if (interest === undefined || !current) return
      if (kind === R.PAUSE) interest.paused = true
      else this.node.publishing.resumed(interest)
    } else if (kind === R.LEAVING) {
      if (!current) return
      link.leaving = true
      this.node.wake()
    } else if (kind === R.DROPPED) {
      const interest = this.node.wishes.get(body.varint())
      const count = body.varint()
      if (interest === undefined) return
      if (interest.spec.kind === SUBSCRIBE || interest.spec.kind === QUEUE)
        (interest.owner as Subscription).droppedBefore += count
      this.node.emitDrop("peer", link, interest.spec.pattern, "full", count)
    } else if (kind === R.WITHDRAW) {
      const interest = this.node.wishes.get(body.varint())
      if (interest?.spec.kind === WORK) (interest.owner as Worker).withdraw(link, body.varint())
    } else if (kind === R.WORKING) this.node.tasks.working(link, body.varint())
  }
}
