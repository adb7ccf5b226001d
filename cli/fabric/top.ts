import type { Run } from "../run.ts"
import { printable, tableLines } from "../table.ts"
import { bytes, plural, whole } from "../units.ts"
import { type FabricFlags, openFabric } from "./options.ts"
import { Printer } from "./printer.ts"
import { type FabricRates, Rates } from "./rates.ts"
import { pause, Screen } from "./screen.ts"

export interface TopFlags extends FabricFlags {
  interval: number
  count?: number
  json?: true
}

/** Subjects in a block where there is no screen to fill. */
const SUBJECTS = 20

/** The whole life of `heddle top`. */
export async function top(flags: TopFlags, run: Run): Promise<boolean> {
  const { ending } = run
  const { count = Number.POSITIVE_INFINITY, interval, json } = flags
  let failure: unknown = null
  const printer = new Printer(run, error => {
    failure = error
  })
  const screen = new Screen(printer)
  const rates = new Rates()
  const fabric = await openFabric(flags, run)
  let shown = 0
  try {
    let due = performance.now()
    while (!ending.begun && failure === null) {
      // Nodes count at about this time, however long the slowest takes.
      const asked = performance.now()
      const { nodes, silent } = await fabric.survey({ timeout: Math.max(1, Math.ceil(interval)) })
      // We only look on: that we are here is nothing to look at.
      const others = nodes.filter(({ node }) => node !== fabric.id)
      const now = rates.update({ nodes: others, silent }, asked)
      if (now !== null) {
        if (json) await printer.line(JSON.stringify(now))
        else await screen.show(topLines(fabric.fabric, now, screen.height))
        if (++shown === count) break
      }
      // What the answers took is part of the interval.
      due = Math.max(due + interval, performance.now())
      await pause(due - performance.now(), run)
    }
    await printer.end()
  } finally {
    await fabric.close()
  }
  return flags.count === undefined || shown === count
}

function topLines(fabric: string, rates: FabricRates, height: number): string[] {
  const { nodes, subjects, silent } = rates
  const lines = [
    `${fabric}: ${plural(nodes.length, "node")}, ${figure(rates.published)} published/s, ${bytes(rates.bytesSent)}/s, ${figure(rates.dropped)} dropped/s`,
    "",
    ...tableLines(NODES, nodes.map(nodeCells)),
    ...silent.map(one => `${printable(one.name)} ${printable(one.node)}: ${printable(one.why)}`),
    "",
  ]
  const room = Number.isFinite(height) ? Math.max(1, height - lines.length - 1) : SUBJECTS
  const cells = subjects
    .slice(0, room)
    .map(one => [one.subject, figure(one.published), figure(one.received), `${bytes(one.bytes)}/s`, whole(one.total)])
  return cells.length === 0 ? [...lines, "nothing has been published"] : [...lines, ...tableLines(SUBJECT, cells)]
}

function nodeCells(one: FabricRates["nodes"][number]): string[] {
  return [
    one.name,
    one.node.slice(0, SHORT),
    String(one.pid),
    `${one.cpu.toFixed(0)} %`,
    bytes(one.memory),
    figure(one.messagesSent),
    figure(one.messagesReceived),
    `${bytes(one.bytesSent)}/s`,
    `${bytes(one.bytesReceived)}/s`,
    figure(one.dropped),
    whole(one.queued),
    whole(one.requests),
    whole(one.tasks),
    `${one.roundTrip.toFixed(1)} ms`,
  ]
}

/** Characters of an id that tell nodes of one name apart. */
const SHORT = 8

/** Rates below ten are worth a digit behind the point. */
function figure(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : whole(value)
}

const NODES = [
  { head: "NAME" },
  { head: "NODE" },
  { head: "PID", right: true },
  { head: "CPU", right: true },
  { head: "MEMORY", right: true },
  { head: "SENT/S", right: true },
  { head: "RECEIVED/S", right: true },
  { head: "OUT", right: true },
  { head: "IN", right: true },
  { head: "DROPPED/S", right: true },
  { head: "QUEUED", right: true },
  { head: "REQUESTS", right: true },
  { head: "TASKS", right: true },
  { head: "ROUND TRIP", right: true },
] as const

const SUBJECT = [
  { head: "SUBJECT" },
  { head: "PUBLISHED/S", right: true },
  { head: "RECEIVED/S", right: true },
  { head: "PAYLOADS", right: true },
  { head: "TOTAL", right: true },
] as const
