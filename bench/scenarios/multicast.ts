import { Group } from "../multicast/group.ts"
import type { Contestant } from "../peers/peer.ts"
import type { Settings } from "../settings.ts"
import { calibrate } from "../stats.ts"
import type { Metric, Scenario, Session } from "./scenario.ts"

const RATE: Metric = { name: "messages", unit: "msg/s", better: "higher", plotted: true }
const PROCESSOR: Metric = { name: "sender cpu", unit: "ns/msg", better: "lower", plotted: true }
const MISSING: Metric = { name: "missing", unit: "msg", better: null, plotted: false }

/** Messages of a round. Fewer would measure how code is compiled and windows open: the first hundred thousand cost five times as much. */
const LEAST = 200_000
const MOST = 50_000_000
/** Messages before those that count, as other scenarios have: until then V8 compiles, which costs either way as much again as the messages. */
const WARM = 2_000_000

interface Shape {
  readonly name: string
  readonly about: string
  readonly receivers: number
}

/** Publisher to Subscribers, each a process, all of which get everything: by one group, and by a connection for each. */
class MulticastScenario implements Scenario {
  readonly name: string
  readonly about: string
  readonly sizeUnit = "bytes"
  readonly metrics = [RATE, PROCESSOR, MISSING]
  private readonly receivers: number

  constructor({ name, about, receivers }: Shape) {
    this.name = name
    this.about = about
    this.receivers = receivers
  }

  sizes(settings: Settings): readonly number[] {
    return settings.sizes ?? [64]
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, size: number, settings: Settings): Promise<Session> {
    const group = await Group.open(who, size, this.receivers, null)
    try {
      await group.burst(WARM)
      // Behind the warm-up, which is four times as slow: rounds would be a quarter of what was asked for.
      const wanted = await calibrate(settings.seconds, LEAST, MOST, async n => (await group.burst(n)).seconds)
      const count = Math.max(LEAST, wanted)
      return {
        async round() {
          const { seconds, cpu, missing } = await group.burst(count)
          return { messages: count / seconds, "sender cpu": cpu, missing }
        },
        close: () => group.close(),
      }
    } catch (error) {
      await group.close()
      throw error
    }
  }
}

export function multicastFan(): Scenario {
  const receivers = 20
  const about = `one publisher to ${receivers} subscribers in ${receivers} other processes, nothing dropped: one group on loopback (in shared memory, and by datagrams as between machines) beside ${receivers} tcp connections`
  return new MulticastScenario({ name: "multicast-fan", about, receivers })
}

export function multicastThroughput(): Scenario {
  const about =
    "one sender to one receiver, two processes: a group on loopback (in shared memory, and by datagrams as between machines) beside tcp, and PUSH to PULL as in tcp-thr"
  return new MulticastScenario({ name: "multicast-thr", about, receivers: 1 })
}
