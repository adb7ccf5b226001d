import { closedError, HeddleError } from "../../core/errors.ts"
import { hold, release } from "../../core/keep-alive.ts"
import type { Observer } from "../../core/observer.ts"
import { checkGroup } from "../../core/subject.ts"
import type { LanePolicy, PolicyName } from "./backlog.ts"
import {
  DRAIN_OPTIONS,
  type DrainOptions,
  FLUSH_OPTIONS,
  type FlushOptions,
  KEEP_OPTIONS,
  PUSH_OPTIONS,
  type PushOptions,
  READY_OPTIONS,
  REQUEST_MANY_OPTIONS,
  REQUEST_OPTIONS,
  type ReadyWish,
  type RequestManyOptions,
  type RequestOptions,
  SEND_OPTIONS,
  SERVE_OPTIONS,
  type SendOptions,
  type ServeOptions,
  SUBSCRIBE_OPTIONS,
  SURVEY_OPTIONS,
  type SubscribeOptions,
  type SurveyOptions,
  TRACE_OPTIONS,
  type TraceOptions,
  WORK_OPTIONS,
  type WorkOptions,
} from "./call-options.ts"
import type { FabricEvent } from "./events.ts"
import { Keeper, type KeepOptions } from "./history.ts"
import {
  type Interest,
  type InterestSpec,
  MOST_ACK_WAIT,
  newInterestId,
  QUEUE,
  SERVE,
  SUBSCRIBE,
  WORK,
} from "./interest.ts"
import type { FabricSurvey, Trace } from "./introspection/answers.ts"
import { drain, leave } from "./leaving.ts"
import type { FabricMessage } from "./message.ts"
import type { Node } from "./node.ts"
import { checkNames, whole } from "./options.ts"
import { type PeerView, peersOf } from "./peer-view.ts"
import type { PublishOptions } from "./publishing.ts"
import { noResponders } from "./requests/failures.ts"
import { Replies } from "./requests/replies.ts"
import type { RequestMessage } from "./requests/request-message.ts"
import { Service, type ServiceHandler } from "./requests/service.ts"
import { checkUserPattern } from "./reserved.ts"
import { type FabricStats, statsOf } from "./statistics.ts"
import { type Handler, Subscription } from "./subscription.ts"
import type { Task } from "./tasks/tasks.ts"
import { type TaskHandler, Worker } from "./tasks/worker.ts"
import type { PublishResult } from "./topics.ts"
import type {
  KnownPattern,
  KnownSubject,
  PatternPayload,
  PayloadOf,
  ReplyOf,
  RequestOf,
  Subjects,
} from "./typed-subjects.ts"
import { Waits } from "./waits.ts"

/**
 * A process's place in a fabric: `join` makes it. All methods may be called at any time, also from handlers. Methods that
 * return promises reject with EBADF once the fabric is closed; others throw it.
 */
export class Fabric<S extends object = Subjects> {
  private readonly node: Node
  private readonly bound: readonly string[]
  private usual: LanePolicy | null = null
  private draining: Promise<void> | null = null
  private closing: Promise<void> | null = null
  /** As long as handlers are at work they may send, but nothing new is subscribed to, served or worked for. */
  private stage: "open" | "draining" | "drained" | "closed" = "open"
  private readonly waits = new Waits(() => this.closed)

  /** @internal */
  constructor(node: Node, bound: readonly string[]) {
    this.node = node
    this.bound = bound
  }

  /** Of the fabric, as given to `join`. */
  get fabric(): string {
    return this.node.fabric
  }

  /** Of this node, for people. */
  get name(): string {
    return this.node.name
  }

  /** Of this node, new for each `join`. */
  get id(): string {
    return this.node.id
  }

  /** Where this node listens. */
  get endpoints(): readonly string[] {
    return this.bound
  }

  /** Where the edge of this node listens (option `edge`), with real ports. */
  get edgeEndpoints(): readonly string[] {
    return this.node.edge?.endpoints ?? []
  }

  get closed(): boolean {
    return this.stage === "closed"
  }

  /** What happens, by `on` or as an async iterator; see `FabricEvent`. */
  get events(): Observer<FabricEvent> {
    return this.node.events
  }

  /** The other nodes that are known. */
  get peers(): PeerView[] {
    return peersOf(this.node)
  }

  /** Counters since `join`, in all, by peer and by subject. */
  stats(): FabricStats {
    return statsOf(this.node)
  }

  /**
   * Who gets a subject and who has published it, as all nodes tell: subscriptions, queue groups, services and workers that match. Throws EINVAL;
   * nodes that do not answer within `timeout` milliseconds (default 1,000) are listed as silent.
   */
  async trace(subject: string, options: TraceOptions = {}): Promise<Trace> {
    this.mustBeOpen()
    checkNames("trace", options, TRACE_OPTIONS)
    return this.node.introspection.trace(subject, whole("timeout", options.timeout, 1_000, 1))
  }

  /**
   * The counters of all nodes, this one first; `timeout` as for `trace`. With `roundTrips` each node measures how long its peers take to
   * answer; the next survey has the results (`PeerStats.roundTrip`).
   */
  async survey(options: SurveyOptions = {}): Promise<FabricSurvey> {
    this.mustBeOpen()
    checkNames("survey", options, SURVEY_OPTIONS)
    const { timeout, roundTrips = false } = options
    return this.node.introspection.survey(whole("timeout", timeout, 1_000, 1), roundTrips)
  }

  /**
   * Sends a message to everybody who wants the subject; never waits. The result says how many nodes it was queued for, and whether
   * any had to drop. Memory given as bytes must not be changed afterwards. Throws EINVAL for an invalid subject or a value that
   * cannot be serialised, EMSGSIZE, ERR_VALIDATION.
   */
  publish<P extends string>(subject: P, data: PayloadOf<S, P>, options?: PublishOptions): PublishResult {
    this.mustBeOpen()
    return this.node.publishing.publish(subject, data, options)
  }

  /**
   * `publish` that waits while a subscription with the policy "block" is full. Rejects with ETIMEDOUT or ECANCELED when nothing
   * was sent; otherwise as `publish` throws.
   */
  async send<P extends string>(subject: P, data: PayloadOf<S, P>, options: SendOptions = {}): Promise<PublishResult> {
    this.mustBeOpen()
    checkNames("send", options, SEND_OPTIONS)
    const { publishing } = this.node
    const first = publishing.publish(subject, data, options)
    if (first.taken) return first
    return this.waits.for(`send to ${subject}`, options, stopWaiting => {
      const result = publishing.publish(subject, data, options)
      return result.taken ? result : publishing.whenRoom(stopWaiting)
    })
  }

  /**
   * Gets what is published to subjects that match. With a handler, messages are handled in order; without, the subscription is an async
   * iterator. Throws EINVAL for an invalid pattern or option.
   */
  subscribe<P extends string>(
    pattern: P & KnownPattern<S, P>,
    options?: SubscribeOptions,
  ): Subscription<PatternPayload<S, P>>
  subscribe<P extends string>(
    pattern: P & KnownPattern<S, P>,
    handler: Handler<PatternPayload<S, P>>,
    options?: SubscribeOptions,
  ): Subscription<PatternPayload<S, P>>
  subscribe<P extends string>(
    pattern: P,
    handlerOrOptions?: Handler<PatternPayload<S, P>> | SubscribeOptions,
    more?: SubscribeOptions,
  ): Subscription<PatternPayload<S, P>> {
    this.mustTake()
    const handler = typeof handlerOrOptions === "function" ? handlerOrOptions : null
    const options = (handler === null ? (handlerOrOptions as SubscribeOptions | undefined) : more) ?? {}
    checkNames("subscribe", options, SUBSCRIBE_OPTIONS)
    checkUserPattern(pattern)
    const policy = this.policyOf(options)
    const history = options.history === "last" ? 1 : whole("history", options.history, 0, 0)
    const group = options.queue ?? ""
    if (group !== "" || options.queue !== undefined) {
      checkGroup(group)
      if (history > 0)
        throw new HeddleError(
          "EINVAL",
          "Invalid argument: a member of a queue group cannot ask for history: it would get what others have done",
        )
    }
    const spec: InterestSpec = {
      id: newInterestId(),
      kind: group === "" ? SUBSCRIBE : QUEUE,
      pattern,
      group,
      targeted: policy.policy === "block" || history > 0,
      policy,
      history,
      capacity: group === "" ? 1 : whole("concurrency", options.concurrency, 1, 1),
    }
    const concurrency = whole("concurrency", options.concurrency, 1, 1)
    const most = whole("max", options.max, 0, 0)
    const subscription = new Subscription<PatternPayload<S, P>>(this.node, spec, handler, concurrency, most)
    this.node.add(subscription)
    if (history > 0) this.node.publishing.replayLocally(subscription)
    return subscription
  }

  /**
   * Asks one server of the subject: the one with the least to do, the nearer one if it hardly matters. Rejects with ERR_NO_RESPONDERS at once when nobody
   * serves it, ERR_REMOTE (`RemoteError`) when the handler threw, ETIMEDOUT, ECANCELED, EBUSY (the server has too many waiting),
   * ECONNRESET (the server is gone).
   */
  request<P extends string>(
    subject: P & KnownSubject<S, P>,
    data: RequestOf<S, P>,
    options: RequestOptions = NO_OPTIONS,
  ): Promise<FabricMessage<ReplyOf<S, P>>> {
    try {
      this.mustBeOpen()
      if (options !== NO_OPTIONS) checkNames("request", options, REQUEST_OPTIONS)
      const { node } = this
      const topic = node.topics.of(subject)
      const parcel = this.parcel(subject, data, options)
      const reply = node.requests.request(topic, parcel, this.timeoutOf(options), options.signal)
      return reply as Promise<FabricMessage<ReplyOf<S, P>>>
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Asks every server of the subject, one of each queue group, and gives the replies as they come. It ends after `max` replies, after `wait` or
   * `stall` milliseconds, with a `sentinel`, or when all have answered. Errors of single servers are passed over unless all fail.
   */
  requestMany<P extends string>(
    subject: P & KnownSubject<S, P>,
    data: RequestOf<S, P>,
    options: RequestManyOptions = {},
  ): AsyncIterableIterator<FabricMessage<ReplyOf<S, P>>, undefined> {
    this.mustBeOpen()
    checkNames("requestMany", options, REQUEST_MANY_OPTIONS)
    const members = this.node.requests.chooseAll(this.node.topics.of(subject).services)
    return this.replies(subject, data, members, options, false) as AsyncIterableIterator<
      FabricMessage<ReplyOf<S, P>>,
      undefined
    >
  }

  /** Asks one server, whose handler answers with many messages (a generator). Errors of the server end the iteration. */
  stream<P extends string>(
    subject: P & KnownSubject<S, P>,
    data: RequestOf<S, P>,
    options: RequestManyOptions = {},
  ): AsyncIterableIterator<FabricMessage<ReplyOf<S, P>>, undefined> {
    this.mustBeOpen()
    checkNames("stream", options, REQUEST_MANY_OPTIONS)
    const member = this.node.requests.choose(this.node.topics.of(subject).services)
    return this.replies(subject, data, member === null ? [] : [member], options, true) as AsyncIterableIterator<
      FabricMessage<ReplyOf<S, P>>,
      undefined
    >
  }

  /**
   * Answers requests. The handler gives back a value, a promise, or a generator for a stream of replies; what it throws arrives
   * as a `RemoteError`. Throws EINVAL.
   */
  serve<P extends string>(
    subject: P & KnownPattern<S, P>,
    handler: ServiceHandler<PatternPayload<S, P>, unknown>,
    options: ServeOptions = {},
  ): Service {
    this.mustTake()
    checkNames("serve", options, SERVE_OPTIONS)
    checkUserPattern(subject)
    if (typeof handler !== "function")
      throw new HeddleError("EINVAL", `Invalid argument: serve("${subject}") needs a handler`)
    const group = options.queue ?? ""
    if (options.queue !== undefined) checkGroup(group)
    const concurrency = whole("concurrency", options.concurrency, 0, 0)
    const limit = whole("limit", options.limit, 1_000, 0)
    const spec = this.wish(SERVE, subject, group, Math.max(1, concurrency))
    const service = new Service(this.node, spec, handler as ServiceHandler<unknown, unknown>, concurrency, limit)
    this.node.add(service)
    return service
  }

  /**
   * Queues a task for the workers of the subject; it waits here when there is none. Resolves when it is queued, at once unless there are
   * `maxTasks` already; `task.done()` resolves when a worker has done it. Tasks are delivered at least once, and are lost
   * when this process dies.
   */
  async push<P extends string>(subject: P, data: PayloadOf<S, P>, options: PushOptions = {}): Promise<Task> {
    this.mustBeOpen()
    checkNames("push", options, PUSH_OPTIONS)
    const { tasks, topics } = this.node
    topics.of(subject)
    const parcel = this.parcel(subject, data, options)
    const retries = {
      most: whole("maxDeliveries", options.maxDeliveries, 5, 1),
      delay: whole("retryDelay", options.retryDelay, 100, 0),
      deadLetter: options.deadLetter === undefined ? null : topics.of(options.deadLetter).subject,
    }
    const first = tasks.tryPush(subject, parcel, retries)
    if (first !== null) return first
    return this.waits.for(`push to ${subject}`, options, again => {
      const task = tasks.tryPush(subject, parcel, retries)
      return task ?? tasks.whenRoom({ go: again, fail: again })
    })
  }

  /** Does tasks of the subject: each is acknowledged when the handler is through, and goes to another worker when it throws. Throws EINVAL. */
  work<P extends string>(
    subject: P & KnownPattern<S, P>,
    handler: TaskHandler<PatternPayload<S, P>>,
    options: WorkOptions = {},
  ): Worker {
    this.mustTake()
    checkNames("work", options, WORK_OPTIONS)
    checkUserPattern(subject)
    if (typeof handler !== "function")
      throw new HeddleError("EINVAL", `Invalid argument: work("${subject}") needs a handler`)
    const concurrency = whole("concurrency", options.concurrency, 1, 1)
    const prefetch = whole("prefetch", options.prefetch, 1, 0)
    const ackWait = whole("ackWait", options.ackWait, 0, 0, MOST_ACK_WAIT)
    const worker = new Worker(
      this.node,
      { ...this.wish(WORK, subject, "", concurrency + prefetch), ackWait },
      handler as TaskHandler<unknown>,
      concurrency,
    )
    this.node.add(worker)
    return worker
  }

  /** Keeps the last messages published here to subjects that match, for subscribers with the option `history`. Returns how to stop. Throws EINVAL. */
  keep(pattern: string, options: KeepOptions = {}): Keeper & Disposable {
    this.mustTake()
    checkNames("keep", options, KEEP_OPTIONS)
    checkUserPattern(pattern)
    const keeper = new Keeper(pattern, options)
    const { topics } = this.node
    topics.keepers.add(pattern, keeper)
    topics.keepersChanged()
    return Object.assign(keeper, {
      [Symbol.dispose]: () => {
        topics.keepers.remove(pattern, keeper)
        topics.keepersChanged()
      },
    })
  }

  /** Resolves when what was asked for is there: so many subscribers, servers or workers of a subject, or peers. */
  async ready(wish: ReadyWish): Promise<void> {
    this.mustBeOpen()
    checkNames("ready", wish, READY_OPTIONS)
    const { subject, subscribers, servers, workers, peers, timeout, signal } = wish
    const wanted = {
      subscribers: subscribers ?? (subject !== undefined && servers === undefined && workers === undefined ? 1 : 0),
      servers: servers ?? 0,
      workers: workers ?? 0,
      peers: peers ?? 0,
    }
    const count = (): typeof wanted => ({
      ...(subject === undefined ? { subscribers: 0, servers: 0, workers: 0 } : this.node.countTakers(subject)),
      peers: this.node.peers.up().length,
    })
    const names = ["subscribers", "servers", "workers", "peers"] as const
    hold()
    try {
      await this.node.until(
        () => {
          const have = count()
          return names.every(name => have[name] >= wanted[name])
        },
        timeout,
        signal,
        () => {
          const have = count()
          const missing = names.filter(name => wanted[name] > 0).map(name => `${have[name]} of ${wanted[name]} ${name}`)
          return `${missing.join(", ")}${subject === undefined ? "" : ` of ${subject}`}`
        },
      )
    } finally {
      release()
    }
  }

  /**
   * Resolves when nothing waits for room on a link any more, and all nodes that are linked now have taken what was published,
   * requested and pushed here until then; not, that handlers have run. A node whose link is broken is waited for until it is back, or cannot get
   * it any more (`resume.time` is over, it counts as dead, or is gone). A subscriber with the policy "block" that stands still holds it up, as
   * long as it takes, or `timeout` milliseconds (ETIMEDOUT), or until `signal` (ECANCELED); the error's `holders` says who was waited for, and
   * what was published stays queued. EBADF when the fabric is closed before. Throws EINVAL.
   */
  async flush(options: FlushOptions = {}): Promise<void> {
    this.mustBeOpen()
    checkNames("flush", options, FLUSH_OPTIONS)
    const { timeout, signal } = options
    const limit = timeout === undefined ? undefined : whole("timeout", timeout, 0, 0)
    hold()
    try {
      await this.node.flush(limit, signal)
      // Links that ended with it have not taken everything.
      if (this.closed) throw closedError("Fabric")
    } finally {
      release()
    }
  }

  /**
   * Leaves in order: nothing new is taken, what has come is handled and answered, tasks and requests of this node are finished,
   * everything published is delivered; then `close`. Handlers may publish, request and push until the last one is through.
   * `timeout`: milliseconds after which it closes in any case, default 10,000. Throws EINVAL.
   */
  drain(options: DrainOptions = {}): Promise<void> {
    checkNames("drain", options, DRAIN_OPTIONS)
    const limit = whole("timeout", options.timeout, 10_000, 0)
    if (this.stage === "open") {
      this.stage = "draining"
      this.draining = this.leave(limit)
    }
    return this.draining ?? this.close()
  }

  /** Leaves now: peers are told, what is queued for them is sent if they take it. Resolves when nothing is left behind. */
  close(): Promise<void> {
    if (this.closing === null) {
      // Before anything else: whoever is woken by the end must find it closed.
      this.stage = "closed"
      this.closing = leave(this.node)
    }
    return this.closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async leave(timeout: number): Promise<void> {
    await drain(this.node, this.waits, timeout, () => {
      if (this.stage === "draining") this.stage = "drained"
    })
    await this.close()
  }

  private replies(
    subject: string,
    data: unknown,
    members: readonly Interest[],
    options: RequestManyOptions,
    strict: boolean,
  ): AsyncIterableIterator<FabricMessage, undefined> {
    if (members.length === 0) return nobody(subject)
    const topic = this.node.topics.of(subject)
    const parcel = this.parcel(subject, data, options)
    const limits = { timeout: whole("wait", options.wait, this.timeoutOf(options), 1), signal: options.signal }
    const end = {
      max: whole("max", options.max, 0, 0),
      stall: whole("stall", options.stall, 0, 0),
      sentinel: options.sentinel ?? null,
      strict,
    }
    return new Replies(this.node.requests, topic, members, parcel, limits, end)
  }

  private parcel(subject: string, data: unknown, options: PublishOptions) {
    const { schemas, publishing } = this.node
    return publishing.parcelOf(schemas.size === 0 ? data : schemas.check(subject, data), options.codec, options.headers)
  }

  private timeoutOf(options: { timeout?: number }): number {
    return options.timeout === undefined ? this.node.settings.timeout : whole("timeout", options.timeout, 0, 1)
  }

  private policyOf({ policy = "drop-new", limit, keep, ttl }: SubscribeOptions): LanePolicy {
    if (!POLICIES.includes(policy)) {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: policy is ${String(policy)}; it takes one of ${POLICIES.join(", ")}`,
      )
    }
    const { highWaterMark } = this.node.settings
    if (policy === "drop-new" && limit === undefined && keep === undefined && ttl === undefined) {
      // A million subscriptions with the same policy need it once.
      this.usual ??= { policy, limit: highWaterMark, keep: 1, ttl: 0 }
      return this.usual
    }
    return {
      policy,
      limit: whole("limit", limit, highWaterMark, 1),
      keep: whole("keep", keep, 1, 1),
      ttl: whole("ttl", ttl, 0, 0),
    }
  }

  private wish(kind: typeof SERVE | typeof WORK, pattern: string, group: string, capacity: number): InterestSpec {
    return {
      id: newInterestId(),
      kind,
      pattern,
      group,
      targeted: true,
      policy: { policy: "drop-new", limit: 1, keep: 1, ttl: 0 },
      history: 0,
      capacity,
    }
  }

  private mustBeOpen(): void {
    if (this.stage === "drained" || this.stage === "closed") throw closedError("Fabric")
  }

  /** For whatever takes messages. */
  private mustTake(): void {
    if (this.stage !== "open") throw closedError("Fabric")
  }
}

const NO_OPTIONS: RequestOptions = Object.freeze({})

const POLICIES: readonly PolicyName[] = ["block", "drop-new", "drop-old", "conflate", "keep-last"]

// biome-ignore lint/correctness/useYield: it fails before there is anything to give
async function* nobody(subject: string): AsyncGenerator<FabricMessage, undefined> {
  throw noResponders(subject)
}

export type { RequestMessage }
