import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { type Settings, WATCHDOG } from "../settings.ts"
import { type Metric, type Sample, type Scenario, type Session, session } from "./scenario.ts"

const COMPLETE: Metric = { name: "complete", unit: "s", better: "lower", plotted: true }
const IDLE: Metric = { name: "idle cpu", unit: "% of a core", better: "lower", plotted: true }
const FIRST: Metric = { name: "first message", unit: "ms", better: "lower", plotted: true }

const PROCESSES = 5
/** Seconds over which the idle mesh is watched: several rounds of its membership protocol. */
const WATCHED = 5

/** Nodes of one fabric in five processes: how long until each has a link to each, what that costs when nobody says anything, and when a newcomer hears its first message. */
export class MeshScenario implements Scenario {
  readonly name = "fabric-mesh"
  readonly about =
    "nodes in five processes over Unix sockets: seconds from the start of the last process until every pair is linked, processor when idle, first message of a newcomer since join()"
  readonly sizeUnit = "nodes"
  readonly metrics = [COMPLETE, IDLE, FIRST]

  sizes(settings: Settings): readonly number[] {
    return settings.quick ? [10] : [10, 50]
  }

  rounds(settings: Settings): number {
    return Math.min(settings.rounds, 3) // Each takes ten seconds.
  }

  async open(who: Contestant, nodes: number): Promise<Session> {
    return session(() => measure(who, nodes))
  }
}

async function measure(who: Contestant, nodes: number): Promise<Sample> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-mesh-"))
  const start = (role: "mesh" | "mesh-newcomer", count: number): Child =>
    new Child(`${who.label} ${role}`, who.peer.command({ role, values: { folder, nodes, count } }, who.way))
  const children: Child[] = []
  try {
    for (let i = 0; i < PROCESSES; i++) children.push(start("mesh", Math.ceil((nodes - i) / PROCESSES)))
    const began = performance.now()
    await Promise.all(children.map(child => child.ready(WATCHDOG)))
    const complete = (performance.now() - began) / 1000
    const cpu = async (): Promise<number> => {
      const used = await Promise.all(children.map(child => child.ask("cpu", WATCHDOG)))
      return used.reduce((sum, { cpu }) => sum + Number(cpu), 0)
    }
    // The news of the last to join has still to settle.
    await new Promise(resolve => setTimeout(resolve, 1_000))
    const before = await cpu()
    await new Promise(resolve => setTimeout(resolve, WATCHED * 1000))
    const idle = (((await cpu()) - before) / 1e6 / WATCHED) * 100
    await children[0].ask("tick", WATCHDOG)
    const newcomer = start("mesh-newcomer", 1)
    children.push(newcomer)
    const { first } = await newcomer.result(WATCHDOG)
    return { complete, "idle cpu": idle, "first message": Number(first) }
  } finally {
    await Promise.all(children.map(child => child.end()))
    rmSync(folder, { recursive: true, force: true })
  }
}
