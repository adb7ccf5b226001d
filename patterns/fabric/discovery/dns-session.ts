import net from "node:net"
import { type ErrorCode, HeddleError } from "../../../core/errors.ts"
import type { Announcement, DiscoveryHost } from "./discovery.ts"
import { isAbsent, type Lookup } from "./dns-resolver.ts"
import { formatAddress, isOwn } from "./net-address.ts"
import { forEachOf } from "./pool.ts"
import { Repeat } from "./repeat.ts"
import type { Session } from "./session.ts"
import { Warnings } from "./warnings.ts"

/** Milliseconds that a look may last; the answer is taken by the next look then. */
const PATIENCE = 5_000
/** Targets of SRV records are resolved so many at a time. */
const AT_ONCE = 16

export interface DnsSettings {
  readonly name: string
  readonly srv: boolean
  readonly port: number
  readonly interval: number
  readonly limit: number
}

export class DnsSession implements Session {
  private readonly host: DiscoveryHost
  private readonly self: Announcement
  private readonly settings: DnsSettings
  private readonly lookup: Lookup
  private readonly warnings: Warnings
  private readonly repeat: Repeat
  /** A question that is not answered yet: not asked twice, some occupy a thread. */
  private asking: Promise<string[]> | null = null
  private giveUp: (() => void) | null = null
  private stopped = false

  constructor(host: DiscoveryHost, self: Announcement, settings: DnsSettings, lookup: Lookup) {
    this.host = host
    this.self = self
    this.settings = settings
    this.lookup = lookup
    this.warnings = new Warnings(error => host.warn(error))
    this.repeat = new Repeat(
      () => this.look(),
      () => settings.interval,
    )
  }

  begin(): Promise<void> {
    return this.repeat.now()
  }

  async end(): Promise<void> {
    this.stopped = true
    this.lookup.cancel()
    this.giveUp?.()
    await this.repeat.stop()
  }

  private async look(): Promise<void> {
    try {
      const endpoints = await this.answer()
      if (this.stopped) return
      for (const endpoint of endpoints) {
        if (!isOwn(endpoint, this.self.endpoints)) this.host.found({ endpoints: [endpoint] })
      }
    } catch (error) {
      if (!this.stopped) this.warnings.trouble(this.explain(error, this.settings.name))
    }
  }

  /** The answer to a question asked now or earlier. Rejects after `PATIENCE`, empty at the end of the session. */
  private answer(): Promise<string[]> {
    this.asking ??= this.resolve().finally(() => {
      this.asking = null
    })
    const { asking } = this
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(Object.assign(new Error("no answer"), { code: "ETIMEOUT" })), PATIENCE)
      timer.unref()
      this.giveUp = () => resolve([])
      asking.then(resolve, reject).finally(() => clearTimeout(timer))
      if (this.stopped) resolve([])
    })
  }

  private async resolve(): Promise<string[]> {
    const found = new Set<string>()
    const failed: { error: unknown; name: string }[] = []
    let left = 0
    const take = async (name: string, port: number): Promise<void> => {
      for (const host of await this.lookup.addresses(name)) {
        if (net.isIP(host) === 0) continue
        if (found.size >= this.settings.limit) left++
        else found.add(formatAddress({ scheme: "tcp", host, port, rest: "" }))
      }
    }
    const { name, srv, port, limit } = this.settings
    if (!srv) await take(name, port)
    else {
      const services = await this.lookup.services(name)
      // A target of "" is how DNS says that there is no such service (RFC 2782).
      const targets = services.filter(one => one.name !== "" && one.port > 0).sort((a, b) => a.priority - b.priority)
      left += Math.max(0, targets.length - limit)
      await forEachOf(targets.slice(0, limit), AT_ONCE, async one => {
        if (this.stopped || found.size >= limit) return
        await take(one.name, one.port).catch(error => failed.push({ error, name: one.name }))
      })
    }
    if (this.stopped) return []
    if (failed.length > 0) this.warnings.trouble(this.explain(failed[0].error, failed[0].name))
    else if (found.size === 0) this.warnings.trouble(this.explain({ code: "ENODATA" }, name))
    else if (left > 0) this.warnings.trouble(this.tooMany())
    else this.warnings.settled()
    return [...found]
  }

  private explain(cause: unknown, name: string): HeddleError {
    const { code = "", message = "" } = cause as NodeJS.ErrnoException
    const known: ErrorCode | undefined = isAbsent(cause) ? "ENOENT" : CODES[code]
    const why =
      known === "ENOENT"
        ? "DNS knows no address of it; check the name, it may be that no node runs yet"
        : code || message
    return new HeddleError(
      known ?? "EHOSTUNREACH",
      `Nodes at ${name} are not found: ${why}; asked again each ${this.settings.interval} ms`,
      { cause, address: name },
    )
  }

  private tooMany(): HeddleError {
    const { name, limit } = this.settings
    return new HeddleError(
      "EMSGSIZE",
      `${name} has more than ${limit} addresses; the others are left out, and learnt from those taken; the option limit sets how many`,
      { address: name },
    )
  }
}

/** Of node:dns. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  ETIMEOUT: "ETIMEDOUT",
  ECONNREFUSED: "ECONNREFUSED",
}
