import type { Fabric, FabricMessage, Trace } from "heddle"
import type { Run } from "../run.ts"
import { printable, tableLines } from "../table.ts"
import { plural, whole } from "../units.ts"
import type { FabricFlags } from "./options.ts"
import { recordOf, textOf } from "./payload.ts"
import { openPrinting } from "./subscribe.ts"

export interface TraceFlags extends FabricFlags {
  follow?: true
  count?: number
  json?: true
}

/** The whole life of `heddle trace`. */
export async function trace(subject: string, flags: TraceFlags, run: Run): Promise<boolean> {
  const { progress } = run
  const { count = Number.POSITIVE_INFINITY, json } = flags
  const { fabric, printer, over, end } = await openPrinting(flags, run)
  try {
    const found = withoutUs(await fabric.trace(subject), fabric)
    for (const line of json ? [JSON.stringify(found)] : traceLines(found)) printer.line(line)
    if (flags.follow) {
      if (!json) printer.line("")
      const follow = fabric.subscribe(subject, (message: FabricMessage) => {
        if (progress.messages >= count) return undefined
        progress.messages++
        if (progress.messages === count) end()
        if (json) return printer.line(recordOf(message, true))
        return printer.line(`${printable(message.fromName)} ${message.from}\t`, textOf(message))
      })
      await follow.ready
      await printer.flush()
      await over
    }
    await printer.end()
  } finally {
    await fabric.close()
  }
  return !flags.follow || flags.count === undefined || progress.messages >= count
}

/** We only look on, and join for that alone. */
function withoutUs(found: Trace, { id }: Fabric): Trace {
  return { ...found, nodes: found.nodes.filter(({ node }) => node !== id) }
}

function traceLines({ subject, nodes, silent }: Trace): string[] {
  const takers = nodes.flatMap(one => one.takers)
  const of = (kind: string) => takers.filter(one => one.kind === kind)
  const subscriptions = of("subscription")
  const groups = new Set(subscriptions.map(one => one.queue).filter(queue => queue !== ""))
  const members = subscriptions.filter(one => one.queue !== "").length
  const publishers = nodes.filter(one => one.published > 0).length
  const more = nodes.reduce((sum, one) => sum + one.more, 0)
  const parts = [
    plural(subscriptions.length - members, "subscription"),
    `${plural(groups.size, "queue group")}${members === 0 ? "" : ` (${plural(members, "member")})`}`,
    plural(of("service").length, "server"),
    plural(of("worker").length, "worker"),
  ]
  const rows = nodes.flatMap(one => {
    const who = [one.name, one.node, String(one.pid), `${one.roundTrip.toFixed(1)} ms`]
    const does = []
    if (one.published > 0) does.push(["publishes", "", "", "", whole(one.published), "", ""])
    if (one.kept > 0) does.push(["keeps", "", "", whole(one.kept), "", "", ""])
    for (const taker of one.takers) {
      const { kind, pattern, queue, queued, handled, failed, dropped } = taker
      does.push([VERBS[kind], pattern, queue, ...[queued, handled, failed, dropped].map(whole)])
    }
    return (does.length === 0 ? [["", "", "", "", "", "", ""]] : does).map(cells => [...who, ...cells])
  })
  return [
    `${subject}: ${parts.join(", ")}; ${publishers === 0 ? "nobody has published to it" : `published by ${plural(publishers, "node")}`}`,
    ...(rows.length === 0 ? ["nobody else is in the fabric"] : tableLines(COLUMNS, rows)),
    ...(more === 0 ? [] : [`${whole(more)} more that are not listed`]),
    ...silent.map(one => `${printable(one.name)} ${printable(one.node)}: ${printable(one.why)}`),
  ]
}

const VERBS = { subscription: "subscribes", service: "serves", worker: "works" } as const

const COLUMNS = [
  { head: "NAME" },
  { head: "NODE" },
  { head: "PID", right: true },
  { head: "ROUND TRIP", right: true },
  { head: "WHAT" },
  { head: "PATTERN" },
  { head: "QUEUE" },
  { head: "QUEUED", right: true },
  { head: "MESSAGES", right: true },
  { head: "FAILED", right: true },
  { head: "DROPPED", right: true },
] as const
