import { clientCommand, prepareClients } from "../edge/clients.ts"
import { freshPath } from "../paths.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { type Settings, WARM, WATCHDOG } from "../settings.ts"
import { calibrate, wholeSteps } from "../stats.ts"
import { type Metric, type Scenario, type Session, session } from "./scenario.ts"

const DELIVERIES: Metric = { name: "deliveries", unit: "msg/s", better: "higher", plotted: true }
const PROCESSOR: Metric = { name: "server cpu", unit: "ns/delivery", better: "lower", plotted: true }

const CLIENTS = 1_000
const SIZE = 64
/** Messages on the way to each client; some 70 bytes each, well below what servers hold for one that is slow. */
const WINDOW = 1_000
const STEPS_IN_WINDOW = 10
const MOST_MESSAGES = 1_000_000

/** One server to many WebSocket clients that want everything. */
export class EdgeFanoutScenario implements Scenario {
  readonly name = "edge-fanout"
  readonly about =
    `one process to so many WebSocket clients in one other process, ${SIZE} bytes: a fabric's edge beside a broadcast by ws and a publish by uWebSockets.js`
  readonly sizeUnit = "connections"
  readonly metrics = [DELIVERIES, PROCESSOR]

  sizes(settings: Settings): readonly number[] {
    return [settings.connections ?? (settings.quick ? 100 : CLIENTS)]
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, clients: number, settings: Settings): Promise<Session> {
    await prepareClients()
    const count = await calibrate(
      settings.seconds,
      WINDOW,
      MOST_MESSAGES,
      async n => (await measure(who, clients, n)).seconds,
    )
    return session(async () => {
      const { seconds, deliveries, cpu } = await measure(who, clients, count)
      return { deliveries: deliveries / seconds, "server cpu": (cpu * 1000) / (count * clients) }
    })
  }
}

async function measure(who: Contestant, subscribers: number, wanted: number) {
  const step = WINDOW / STEPS_IN_WINDOW
  const count = wholeSteps(wanted, step)
  const values = {
    size: SIZE,
    count,
    warm: wholeSteps(count * WARM, step),
    subscribers,
    window: WINDOW,
    step,
    control: `ipc://${freshPath()}`,
  }
  const server = new Child(`${who.label} server`, who.peer.command({ role: "edge-publish", values }, who.way))
  const children = [server]
  try {
    const endpoint = await server.ready(WATCHDOG)
    const task = { role: "fan-receive", values: { ...values, endpoint } } as const
    const receiver = new Child(`${who.label} clients`, clientCommand(who, task))
    children.push(receiver)
    await receiver.ready(WATCHDOG)
    const out = await server.result(WATCHDOG)
    const back = await receiver.result(WATCHDOG)
    if (Number(out.stalled) !== 0) throw new Error(`${who.label}: not everything was delivered`)
    return { seconds: Number(back.seconds), deliveries: Number(back.deliveries), cpu: Number(out.cpu) }
  } finally {
    await Promise.all(children.map(child => child.end()))
  }
}
