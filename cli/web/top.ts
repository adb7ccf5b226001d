import { CommandError, UsageError } from "../exit.ts"
import { openFabric } from "../fabric/options.ts"
import { pause } from "../fabric/screen.ts"
import type { TopFlags } from "../fabric/top.ts"
import type { Run } from "../run.ts"
import { Watch } from "./watch.ts"

/** Where the page is served when only a port is given: nobody else's machine can come there. */
const LOOPBACK = "127.0.0.1"

/** `8080`, `0.0.0.0:8080`, `[::]:8080`; true = the option stood alone. Throws a `UsageError`. */
export function addressOf(given: string | true): { host: string; port: number } {
  if (given === true) return { host: LOOPBACK, port: 0 }
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+):)?(\d{1,5})$/.exec(given)
  const port = Number(match?.[2])
  if (match === null || port > 65_535)
    throw new UsageError(`--web ${given}: expected a port such as 8080, or an address and a port such as 0.0.0.0:8080`)
  return { host: match[1]?.replace(/^\[|\]$/g, "") ?? LOOPBACK, port }
}

/** The whole life of `heddle top --web`. */
export async function topWeb(flags: TopFlags & { web: string | true }, run: Run): Promise<boolean> {
  const { ending } = run
  const { interval } = flags
  if (flags.json) throw new UsageError("--json and --web exclude each other")
  if (flags.count !== undefined) throw new UsageError("--count and --web exclude each other")
  const address = addressOf(flags.web)
  const fabric = await openFabric(flags, run)
  try {
    const watch = await Watch.open(fabric, { ...address, interval })
    try {
      process.stdout.write(`${watch.url}\n`)
      let due = performance.now()
      while (!ending.begun) {
        if (fabric.closed) throw new CommandError("the node of the page was closed")
        await watch.look()
        due = Math.max(due + interval, performance.now())
        await pause(due - performance.now(), run)
      }
    } finally {
      await watch.close()
    }
  } finally {
    await fabric.close()
  }
  // To watch has no end of its own.
  return true
}
