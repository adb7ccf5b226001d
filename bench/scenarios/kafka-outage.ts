import { setTimeout as sleep } from "node:timers/promises"
import { freshTopic, kafkaBroker } from "../kafka/cluster.ts"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { type Settings, WATCHDOG } from "../settings.ts"
import { type Metric, type Sample, type Scenario, type Session, session } from "./scenario.ts"

const BEFORE: Metric = { name: "memory before", unit: "MB", better: null, plotted: false }
const MOST: Metric = { name: "memory at most", unit: "MB", better: "lower", plotted: true }
const WAITING: Metric = { name: "waiting", unit: "records", better: null, plotted: false }
const DRAIN: Metric = { name: "drain", unit: "records/s", better: "higher", plotted: true }
const LOST: Metric = { name: "lost", unit: "records", better: null, plotted: false }

const SIZE = 64
/** Messages a second, unless --rates says another. */
const RATE = 20_000
const QUICK_SECONDS = 5
const SECONDS = 20
/** Milliseconds between two looks at the memory. */
const LOOK = 250
/** Seconds of load before the broker stands still: what it takes when all is well. */
const CALM = 3

/** The broker stands still (SIGSTOP) under load, and goes on: what the bridge takes meanwhile, how fast it makes up for it, and in which order. */
export class KafkaOutageScenario implements Scenario {
  readonly name = "kafka-outage"
  readonly about =
    "a publisher goes on while the broker is frozen: resident memory of the bridge, records that wait on its disk, how fast they are stored when the broker is back (the load goes on), and whether any is missing or out of order"
  readonly sizeUnit = "seconds"
  readonly metrics = [BEFORE, MOST, WAITING, DRAIN, LOST]

  sizes(settings: Settings): readonly number[] {
    if (settings.minutes !== null) return [settings.minutes * 60]
    return [settings.quick ? QUICK_SECONDS : SECONDS]
  }

  rounds(): number {
    return 1 // It is long, and its figures are bounds.
  }

  async open(who: Contestant, seconds: number, settings: Settings): Promise<Session> {
    return session(() => measure(who, seconds, settings.rates?.[0] ?? RATE))
  }
}

interface State {
  readonly stored: number
  readonly waiting: number
  readonly lost: number
  readonly rss: number
}

async function stateOf(bridge: Child): Promise<State> {
  const { stored, waiting, lost, rss } = await bridge.ask("state", WATCHDOG)
  return { stored: Number(stored), waiting: Number(waiting), lost: Number(lost), rss: Number(rss) / 1e6 }
}

async function measure(who: Contestant, seconds: number, rate: number): Promise<Sample> {
  const broker = await kafkaBroker()
  const { bootstrap } = broker
  const values = { bootstrap, topic: freshTopic(), size: SIZE, rate, warm: 0, count: 1, control: "" }
  const bridge = new Child(`${who.label} bridge`, who.peer.command({ role: "kafka-bridge", values }, who.way))
  const children = [bridge]
  try {
    const endpoint = await bridge.ready(WATCHDOG)
    const task = { role: "kafka-load", values: { ...values, endpoint } } as const
    const publisher = new Child(`${who.label} publisher`, who.peer.command(task, who.way))
    children.push(publisher)
    await publisher.ready(WATCHDOG)
    await sleep(CALM * 1000)
    const before = (await stateOf(bridge)).rss
    broker.freeze()
    let most = before
    const until = performance.now() + seconds * 1000
    while (performance.now() < until) {
      await sleep(LOOK)
      most = Math.max(most, (await stateOf(bridge)).rss)
    }
    broker.thaw()
    const frozen = await stateOf(bridge)
    const back = performance.now()
    let state = frozen
    // So little is always on its way.
    while (state.waiting > rate / 4) {
      await sleep(LOOK / 10)
      state = await stateOf(bridge)
      most = Math.max(most, state.rss)
    }
    const drain = (state.stored - frozen.stored) / ((performance.now() - back) / 1000)
    const { sent } = await publisher.ask("stop", WATCHDOG)
    while (state.waiting > 0 || state.stored + state.lost < Number(sent)) {
      await sleep(LOOK)
      state = await stateOf(bridge)
    }
    const { stored } = await bridge.ask("stored", WATCHDOG)
    const { misplaced } = await bridge.ask("order", 10 * WATCHDOG)
    if (Number(misplaced) > 0) throw new Error(`${misplaced} records are out of order`)
    const lost = Number(sent) - Number(stored)
    return { "memory before": before, "memory at most": most, waiting: frozen.waiting, drain, lost }
  } finally {
    broker.thaw()
    await Promise.all(children.map(child => child.end()))
  }
}
