import { Group } from "../multicast/group.ts"
import { Hosts } from "../multicast/hosts.ts"
import type { Contestant } from "../peers/peer.ts"
import type { Settings } from "../settings.ts"
import { calibrate, percentile } from "../stats.ts"
import type { Metric, Scenario, Session } from "./scenario.ts"

const RATE: Metric = { name: "messages", unit: "msg/s", better: "higher", plotted: true }
const MISSING: Metric = { name: "missing", unit: "msg", better: null, plotted: false }
const NAKS: Metric = { name: "NAKs", unit: "% of data", better: null, plotted: true }
const REPORTS: Metric = { name: "reports", unit: "% of data", better: null, plotted: false }
const REPAIR: Metric = { name: "repair p99", unit: "ms", better: null, plotted: true }
const LATE: Metric = { name: "late p99", unit: "ms", better: null, plotted: false }
const TRIP: Metric = { name: "round trip", unit: "ms", better: null, plotted: false }
const LIMIT: Metric = { name: "3 round trips", unit: "ms", better: null, plotted: false }
const KEPT: Metric = { name: "rate kept", unit: "x", better: null, plotted: true }

const RECEIVERS = 20
const SIZE = 64
const LOSSES = [0, 1, 10]
/** Messages of a round. Fewer would measure how code is compiled and windows open. */
const LEAST = 200_000
const MOST = 20_000_000
/** Messages before those that count: twenty receivers on few processors take so long until V8 has compiled what repairs. */
const WARM = 1_000_000
/** Messages at an even pace of one in a millisecond: at 1 % and 20 receivers some 400 repairs. */
const PACED = 2_000
const PACED_QUICK = 500
/** So many times before the rounds: what mends a lone message is compiled only then (first 19 ms at the 99th percentile, then 4, then 1.3). */
const WARM_PACED = 2
/** Fewer repairs than that have no 99th percentile worth the name. */
const LEAST_REPAIRS = 20

/** Reliable multicast between hosts that lose datagrams: data, repairs and reports alike, each host by itself. */
export class MulticastLossScenario implements Scenario {
  readonly name = "multicast-loss"
  readonly about =
    `one publisher to ${RECEIVERS} subscribers, ${SIZE} bytes, over multicast:// between network namespaces of which each loses so many of its datagrams`
  readonly sizeUnit = "% lost"
  readonly metrics = [RATE, MISSING, NAKS, REPORTS, REPAIR, LATE, LIMIT, TRIP]
  readonly growths = [{ of: "messages", metric: KEPT }]
  readonly explanation = [
    "NAKs are what receivers send to have lost datagrams repaired, in bytes of IP packets beside what the sender sends. Reports are what they say of their progress.",
    "At one message a millisecond, each a datagram: a repair takes from when the receiver notices a loss until the lost one is there, 0 if that was before (stats().peers[i].mendedTime). Three round trips are what it should take at most (no receiver waits at random in a group of 20). One NAK or repair of fifty is lost itself at 1 %.",
    "Late is how much later than usual a message that was lost is delivered, from when the message after it should have come: what the machine is busy with counts, too, before the loss is noticed and while others are held up; all hosts share its processors.",
  ]

  sizes(): readonly number[] {
    return LOSSES
  }

  rounds(settings: Settings): number {
    return settings.rounds
  }

  async open(who: Contestant, percent: number, settings: Settings): Promise<Session> {
    const hosts = new Hosts(1 + RECEIVERS, percent / 100)
    let group: Group | null = null
    const close = async (): Promise<void> => {
      await group?.close()
      hosts.close()
    }
    try {
      const opened = await Group.open(who, SIZE, RECEIVERS, hosts)
      group = opened
      const wanted = await calibrate(settings.seconds, LEAST, MOST, async n => (await opened.burst(n)).seconds)
      const count = Math.max(LEAST, wanted)
      await opened.burst(Math.max(count, WARM))
      const paced = settings.quick ? PACED_QUICK : PACED
      for (let i = 0; i < WARM_PACED; i++) await opened.paced(paced)
      return { round: () => round(opened, hosts, count, paced), close }
    } catch (error) {
      await close()
      throw error
    }
  }
}

async function round(group: Group, hosts: Hosts, count: number, paced: number): Promise<Record<string, number>> {
  const before = traffic(hosts)
  const { seconds, missing } = await group.burst(count)
  const after = traffic(hosts)
  const data = after.data - before.data
  const delays = await group.paced(paced)
  const sample: Record<string, number> = {
    messages: count / seconds,
    missing: missing + delays.missing,
    NAKs: (100 * (after.naks - before.naks)) / data,
    reports: (100 * (after.reports - before.reports)) / data,
    "3 round trips": 6 * delays.usual,
    "round trip": 2 * delays.usual,
  }
  if (delays.repaired.length >= LEAST_REPAIRS) {
    sample["repair p99"] = percentile(delays.repaired, 99)
    sample["late p99"] = percentile(delays.late, 99)
  }
  return sample
}

/** The sender is on the first host. */
function traffic(hosts: Hosts): { data: number; naks: number; reports: number } {
  const [sender, ...receivers] = hosts.names.map((_name, index) => hosts.traffic(index))
  return {
    data: sender.rest + sender.reports,
    naks: receivers.reduce((sum, { rest }) => sum + rest, 0),
    reports: receivers.reduce((sum, { reports }) => sum + reports, 0),
  }
}
