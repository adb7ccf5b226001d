import dns, { type SrvRecord } from "node:dns"
import { promises as fs } from "node:fs"

/** What is needed of `dns.promises.Resolver`. */
export interface DnsResolver {
  resolve4(name: string): Promise<string[]>
  resolve6(name: string): Promise<string[]>
  resolveSrv(name: string): Promise<SrvRecord[]>
}

/** Questions to DNS as the session asks them; they reject with the errors of node:dns. */
export interface Lookup {
  addresses(name: string): Promise<string[]>
  services(name: string): Promise<SrvRecord[]>
  /** Gives up the questions that can be given up. */
  cancel(): void
}

/** Milliseconds until a server is asked again, and how often: a server that is there answers at once. */
const SYSTEM = { timeout: 2_000, tries: 2 }
/** As many domains as glibc took for a long time; each costs a question. */
const MAX_SEARCH = 6

/** "It does not exist" and "it has none of that kind". */
export function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === "ENOTFOUND" || code === "ENODATA"
}

/** Asks a resolver of the user's, who may use it for other questions too: it is never cancelled. */
export function resolverOf(resolver: DnsResolver, family: 4 | 6 | undefined): Lookup {
  return {
    addresses: async name => {
      const answers = await Promise.allSettled([
        ...(family === 6 ? [] : [resolver.resolve4(name)]),
        ...(family === 4 ? [] : [resolver.resolve6(name)]),
      ])
      const found = answers.flatMap(one => (one.status === "fulfilled" ? one.value : []))
      if (found.length > 0) return found
      const errors = answers.flatMap(one => (one.status === "rejected" ? [one.reason] : []))
      if (errors.length === 0) return []
      throw errors.find(one => !isAbsent(one)) ?? errors[0]
    },
    services: name => resolver.resolveSrv(name),
    cancel: () => {},
  }
}

/** Asks as every other program of this machine does. */
export function systemResolver(family: 4 | 6 | undefined): Lookup {
  const resolver = new dns.promises.Resolver(SYSTEM)
  return {
    addresses: async name => {
      const found = await dns.promises.lookup(name, { all: true, family: family ?? 0 })
      return found.map(one => one.address)
    },
    services: async name => {
      let failure: unknown
      for (const full of [name, ...(await searched(name))]) {
        try {
          return await resolver.resolveSrv(full)
        } catch (error) {
          failure ??= error
          if (!isAbsent(error)) throw error
        }
      }
      throw failure
    },
    cancel: () => resolver.cancel(),
  }
}

/** The name in each domain of the system's search list, which node:dns asks for host names only. */
async function searched(name: string): Promise<string[]> {
  if (name.endsWith(".")) return []
  const text = await fs.readFile("/etc/resolv.conf", "utf8").catch(() => "")
  const last = [...text.matchAll(/^\s*(?:search|domain)\s+(.*)$/gm)].at(-1)
  const domains = last?.[1].trim().split(/\s+/).slice(0, MAX_SEARCH) ?? []
  return domains.filter(one => one !== ".").map(one => `${name}.${one}`)
}
