import { type FabricMessage, HeddleError } from "heddle"
import { CommandError, UsageError } from "../exit.ts"
import type { Run } from "../run.ts"
import { openFabric } from "./options.ts"
import { headersOf } from "./payload.ts"
import { Printer } from "./printer.ts"
import { type FabricSendFlags, payloadsOf, subjectFrom, waitFor } from "./publish.ts"
import { lineOf } from "./subscribe.ts"

export interface FabricRequestFlags extends FabricSendFlags {
  many?: true
  stream?: true
}

/** The whole life of `heddle req --fabric`: one request at a time. */
export async function request(args: readonly string[], flags: FabricRequestFlags, run: Run): Promise<boolean> {
  const { subject, given } = subjectFrom(args)
  if (flags.many && flags.stream) throw new UsageError("--many and --stream exclude each other")
  const { ending } = run
  let failure: unknown = null
  const printer = new Printer(run, error => {
    failure = error
  })
  const fabric = await openFabric(flags, run)
  const limits = { timeout: flags.timeout, signal: ending.signal, headers: headersOf(flags) }
  const print = (reply: FabricMessage) => printer.line(...lineOf(reply, { json: flags.json, subject: false }))
  try {
    if (!(await waitFor(fabric, { subject, servers: flags.wait }, flags, run))) return false
    for await (const { data, codec } of payloadsOf(given, flags, run)) {
      const options = { ...limits, codec }
      if (flags.many) for await (const reply of fabric.requestMany(subject, data, options)) await print(reply)
      else if (flags.stream) for await (const reply of fabric.stream(subject, data, options)) await print(reply)
      else await print(await fabric.request(subject, data, options))
      if (failure !== null) throw failure
    }
    await printer.end()
  } catch (error) {
    if (ending.begun) return false
    await printer.end()
    if (error instanceof HeddleError && error.code === "ERR_NO_RESPONDERS")
      throw new CommandError(`nobody serves ${subject} (--wait 1 waits for a server)`)
    throw error
  } finally {
    await fabric.close()
  }
  return !ending.begun
}
