import type { Connection, Endpoint, Handshake, Listener, ListenerSink, Transport } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { MAX_CAPACITY, MIN_CAPACITY, validCapacity } from "../shm/ring-layout.ts"
import {
  type Directory,
  type Invitation,
  newResidentId,
  openDirectory,
  type Place,
  type Resident,
  watchForWorkers,
} from "./directory.ts"
import { LocalConnection } from "./local-connection.ts"
import { type Caller, type Host, known, receive, refusal, visit } from "./meeting.ts"

/** As in libzmq. */
const MAX_NAME = 256
/**
 * Bytes of a ring between threads, in each direction: the smaller, the more often threads wait for each other. Memory is
 * taken from the system when it is first written.
 */
const RING_SIZE = 1024 * 1024
/** Microseconds. A thread is awake 10 to 50 after it was rung for; with less, a peer that slept once is missed for ever. */
const BUSY_POLL = 100

export interface InprocOptions {
  /** Transports of different threads find each other when their scopes are equal. Default "". */
  readonly scope?: string
  /** Bytes of a ring between threads, in each direction: a power of two from 4,096 to 2^28. Default 1 MiB. */
  readonly ringSize?: number
  /**
   * Microseconds that an idle end between threads looks for more, at each turn of its event loop, before it sleeps.
   * Where that is in vain it is soon done rarely. 0 = never: saves processor time, costs latency. Default 100.
   */
  readonly busyPoll?: number
}

/** A name that is bound here. */
interface Binding extends Host {
  /** False while other threads may still object. */
  open: boolean
}

/**
 * `inproc://name`: within a thread messages pass by reference; between threads of the process through shared memory. A
 * transport's names are its own within its thread, and can be reached from every other thread.
 */
export class InprocTransport implements Transport, Resident {
  readonly scheme = "inproc"
  readonly id: string = newResidentId()
  readonly scope: string
  readonly busyPoll: number
  readonly ringSize: number
  private readonly names = new Map<string, Binding>()
  private readonly callers = new Map<string, Set<Dial>>()

  /** Throws EINVAL. */
  constructor({ scope = "", ringSize = RING_SIZE, busyPoll = BUSY_POLL }: InprocOptions = {}) {
    if (!validCapacity(ringSize)) {
      const range = `a power of two from ${MIN_CAPACITY} to ${MAX_CAPACITY} (bytes)`
      throw new HeddleError("EINVAL", `Invalid argument: ringSize is ${ringSize}; it takes ${range}`)
    }
    if (!(busyPoll >= 0))
      throw new HeddleError("EINVAL", `Invalid argument: busyPoll is ${busyPoll}; it takes microseconds`)
    this.scope = scope
    this.busyPoll = busyPoll
    this.ringSize = ringSize
    watchForWorkers()
  }

  check({ address, href }: Endpoint): void {
    if (address.length === 0) {
      throw new HeddleError("EINVAL", `Invalid argument: ${href} has no name; write inproc://name`, { address: href })
    }
    if (address.length > MAX_NAME) {
      const text = `the name of an inproc endpoint has ${address.length} characters; it may have ${MAX_NAME}`
      throw new HeddleError("ENAMETOOLONG", `${text}: choose a shorter one`, { address: href, fatal: true })
    }
  }

  /** Rejects with EADDRINUSE when this transport, or one of the same scope in another thread, has the name. */
  async listen(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener> {
    this.check(endpoint)
    const { address: name, href } = endpoint
    if (this.names.has(name)) throw inUse(href, "in this thread")
    const { busyPoll } = this
    const binding: Binding = { address: href, local, sink, busyPoll, open: false, meetings: new Set() }
    this.names.set(name, binding)
    const directory = this.directory()
    if (!(await directory.claim(this, name))) {
      this.unbind(name)
      throw inUse(href, "in another thread")
    }
    binding.open = true
    directory.announce(this, name)
    // After the caller of `listen` has its listener.
    setImmediate(() => this.matchAll(name))
    return {
      endpoint: href,
      close: async () => {
        if (this.names.get(name) !== binding) return
        this.unbind(name)
        for (const meeting of [...binding.meetings]) meeting.giveUp()
      },
    }
  }

  /** Waits until the name is bound, in this thread or another one. */
  dial(
    endpoint: Endpoint,
    local: Handshake,
    signal: AbortSignal,
    reached: (address: string) => void = () => {},
  ): Promise<Connection> {
    return new Promise((resolve, reject) => {
      this.check(endpoint)
      const { address: name, href } = endpoint
      const settle = (outcome: Connection | HeddleError): void => {
        if (dial.over) return
        dial.over = true
        signal.removeEventListener("abort", aborted)
        this.forget(dial)
        if (outcome instanceof HeddleError) reject(outcome)
        else resolve(outcome)
      }
      const aborted = (): void => {
        dial.visit?.giveUp()
        settle(
          new HeddleError("ECONNABORTED", `Dialling ${href} was given up`, { address: href, cause: signal.reason }),
        )
      }
      const dial = new Dial(name, href, local, () => reached(href), settle)
      const others = this.callers.get(name)
      if (others === undefined) this.callers.set(name, new Set([dial]))
      else others.add(dial)
      if (signal.aborted) aborted()
      else {
        signal.addEventListener("abort", aborted, { once: true })
        // Never from within `dial`: it calls the sink of somebody else.
        setImmediate(() => this.match(dial))
      }
    })
  }

  // For the directory

  holds(name: string): boolean {
    return this.names.get(name)?.open === true
  }

  found(name: string, place: Place): void {
    for (const dial of this.callers.get(name) ?? []) this.call(dial, place)
  }

  invited(invitation: Invitation): void {
    const binding = this.names.get(invitation.name)
    if (binding === undefined || !binding.open) {
      invitation.port.close()
      return
    }
    receive(invitation, binding)
  }

  contested(name: string, thread: number): void {
    const { address, sink } = this.names.get(name) as Binding
    sink.failed(address, inUse(address, `in thread ${thread} too, which was too busy to say so in time`))
  }

  private matchAll(name: string): void {
    for (const dial of [...(this.callers.get(name) ?? [])]) this.match(dial)
  }

  /** Brings a dial to the listener of its name, or sends it looking for one. */
  private match(dial: Dial): void {
    if (dial.over || dial.visit !== null) return
    const binding = this.names.get(dial.name)
    if (binding?.open) meet(dial, binding)
    else this.directory().seek(this, dial.name)
  }

  private call(dial: Dial, place: Place): void {
    if (dial.over || dial.visit !== null) return
    dial.visit = visit(this.directory(), place, dial, this, outcome => {
      dial.visit = null
      if (outcome === null) this.match(dial)
      else dial.settle(outcome)
    })
  }

  private forget(dial: Dial): void {
    const others = this.callers.get(dial.name)
    others?.delete(dial)
    if (others?.size === 0) this.callers.delete(dial.name)
    this.leaveIfIdle()
  }

  private unbind(name: string): void {
    this.names.delete(name)
    this.leaveIfIdle()
  }

  private directory(): Directory {
    const directory = openDirectory()
    directory.enter(this)
    return directory
  }

  private leaveIfIdle(): void {
    if (this.names.size === 0 && this.callers.size === 0) this.directory().leave(this)
  }
}

/** A dial that is under way. */
class Dial implements Caller {
  readonly name: string
  readonly address: string
  readonly local: Handshake
  readonly reached: () => void
  readonly settle: (outcome: Connection | HeddleError) => void
  /** The listener in another thread that it is trying. */
  visit: { giveUp(): void } | null = null
  over = false

  constructor(
    name: string,
    address: string,
    local: Handshake,
    reached: () => void,
    settle: (outcome: Connection | HeddleError) => void,
  ) {
    this.name = name
    this.address = address
    this.local = local
    this.reached = reached
    this.settle = settle
  }
}

/** The handshake within a thread. */
function meet(dial: Dial, { address: href, local, sink }: Binding): void {
  dial.reached()
  sink.accepted(href)
  let caller: ReturnType<typeof known>
  let listener: ReturnType<typeof known>
  try {
    caller = known(dial.local.answer(null), href)
    listener = known(local.answer(caller), href)
    local.admit(caller)
    dial.local.admit(listener)
  } catch (error) {
    const failure = refusal(error, href)
    dial.settle(failure)
    sink.failed(href, failure)
    return
  }
  const [here, there] = LocalConnection.pair(listener, dial.local.options, caller, local.options)
  dial.settle(here)
  sink.connection(there)
}

function inUse(href: string, where: string): HeddleError {
  return new HeddleError("EADDRINUSE", `Address already in use: ${href} is bound ${where}; choose another name`, {
    address: href,
  })
}
