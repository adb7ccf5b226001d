import os from "node:os"

/** To ask for our addresses takes 0.2 ms, and anybody may join and leave: the answer is good for so many milliseconds. */
const FRESH = 1_000

let addresses = new Set<string>()
let until = Number.NEGATIVE_INFINITY

/** Whether it is an address of this machine. */
export function isOfThisMachine(host: string): boolean {
  if (host.startsWith("127.") || host === "::1") return true
  const now = performance.now()
  if (now >= until) {
    until = now + FRESH
    const found = Object.values(os.networkInterfaces()).flatMap(some => some ?? [])
    addresses = new Set(found.map(({ address }) => address))
  }
  return addresses.has(host.split("%")[0])
}
