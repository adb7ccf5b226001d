import type { Transport } from "./contract.ts"
import { HeddleError } from "./errors.ts"
import { servesWeb, type WebServers } from "./web.ts"

export interface ContextOptions {
  /** Sockets that may be open at once. Default 1,023, as in libzmq. */
  maxSockets?: number
  /** Default of the option `ipv6` of new sockets. Default false. */
  ipv6?: boolean
  /** At the end of the program, wait up to `linger` for what is queued. Default true. */
  blocky?: boolean
}

const OPTIONS: ReadonlySet<string> = new Set(["maxSockets", "ipv6", "blocky"] satisfies (keyof ContextOptions)[])

/** What libzmq has and this version has not. Each says why. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ["ioThreads", "there are no I/O threads, Node's event loop does their work"],
  ["threadPriority", "there are no I/O threads"],
  ["threadSchedulingPolicy", "there are no I/O threads"],
  ["maxMessageSize", "set maxMessageSize on sockets"],
])

function refusal(name: string): HeddleError {
  const why = REFUSED.get(name)
  return why === undefined
    ? new HeddleError("EINVAL", `Invalid argument: Context has no option ${name}`)
    : new HeddleError("ENOTSUP", `Operation not supported: option ${name} of Context cannot be set; ${why}`)
}

/** What a context knows of its sockets. */
export interface ContextMember {
  /** Messages are queued that no peer has taken yet. */
  readonly unsent: boolean
  close(): Promise<void>
}

/** A family of sockets: the transports they may use, a scope of inproc names, and common limits. */
export class Context {
  maxSockets: number
  ipv6: boolean
  blocky: boolean
  private readonly transports = new Map<string, Transport>()
  private readonly members = new Set<ContextMember>()

  /** Throws when two transports claim one scheme. */
  constructor(transports: readonly Transport[], options: ContextOptions = {}) {
    for (const transport of transports) {
      if (this.transports.has(transport.scheme)) {
        throw new HeddleError("EINVAL", `Invalid argument: two transports for ${transport.scheme}://`)
      }
      this.transports.set(transport.scheme, transport)
    }
    for (const name of Object.keys(options)) if (!OPTIONS.has(name)) throw refusal(name)
    this.maxSockets = options.maxSockets ?? 1023
    this.ipv6 = options.ipv6 ?? false
    this.blocky = options.blocky ?? true
  }

  /** Open sockets. */
  get size(): number {
    return this.members.size
  }

  /** Throws EPROTONOSUPPORT. */
  transportOf(scheme: string, address: string): Transport {
    const transport = this.transports.get(scheme)
    if (transport !== undefined) return transport
    const known = [...this.transports.keys()].map(name => `${name}://`).join(", ")
    throw new HeddleError(
      "EPROTONOSUPPORT",
      `Protocol not supported: ${scheme}:// (of ${address}); this context has ${known}`,
      { address },
    )
  }

  /** @internal Servers for WebSockets and plain HTTP, of the first transport that has them. Throws EPROTONOSUPPORT. */
  get web(): WebServers {
    for (const transport of this.transports.values()) if (servesWeb(transport)) return transport.web
    throw new HeddleError(
      "EPROTONOSUPPORT",
      "Protocol not supported: this context has no transport that serves the web",
    )
  }

  /** @internal Throws EMFILE. */
  add(member: ContextMember): void {
    if (this.members.size >= this.maxSockets) {
      throw new HeddleError(
        "EMFILE",
        `Too many open sockets: maxSockets is ${this.maxSockets}; close some, or raise it`,
      )
    }
    if (this.members.size === 0) enter(this)
    this.members.add(member)
  }

  /** @internal */
  remove(member: ContextMember): void {
    if (this.members.delete(member) && this.members.size === 0) leave(this)
  }

  /** Closes all sockets of this context; resolves when what could be sent was sent. */
  async close(): Promise<void> {
    await Promise.all([...this.members].map(member => member.close()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal The program has nothing more to do: queued messages still go out, within their linger. */
  finish(): void {
    if (!this.blocky) return
    for (const member of this.members) if (member.unsent) void member.close()
  }
}

/** Contexts with open sockets. */
const inUse = new Set<Context>()

/** One listener for all contexts: Node warns of a leak where an emitter has more than ten. */
function enter(context: Context): void {
  if (inUse.size === 0) process.on("beforeExit", finishAll)
  inUse.add(context)
}

function leave(context: Context): void {
  inUse.delete(context)
  if (inUse.size === 0) process.off("beforeExit", finishAll)
}

function finishAll(): void {
  for (const context of [...inUse]) context.finish()
}
