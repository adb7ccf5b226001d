import { type Contestant, contestant, named, type Peer } from "./peers/peer.ts"
import { size as sizeText } from "./report/format.ts"
import type { Progress } from "./report/progress.ts"
import type { Absence, Failure, Row } from "./report/report.ts"
import { growthRows, type Measured, toRows } from "./report/rows.ts"
import type { Sample, Scenario, Session } from "./scenarios/scenario.ts"
import type { Settings } from "./settings.ts"

/** One contestant at one size, and what became of its rounds. */
interface Entry {
  readonly who: Contestant
  readonly session: Session | null
  readonly samples: Sample[]
}

/** Runs scenarios: all contestants of a size in turn, round after round, so that what disturbs one disturbs all. */
export class Runner {
  readonly absent: Absence[] = []
  readonly failures: Failure[] = []
  readonly versions: Record<string, string> = {}
  private readonly settings: Settings
  private readonly progress: Progress
  private present: Peer[] = []

  constructor(settings: Settings, progress: Progress) {
    this.settings = settings
    this.progress = progress
  }

  /** Finds out which peers are here; the others are kept with the reason. */
  async prepare(peers: readonly Peer[], scenarios: readonly Scenario[]): Promise<void> {
    for (const peer of peers) {
      const { asked, reasons } = this.lookFor(peer, scenarios)
      if (asked) {
        this.progress.show(`looking for ${peer.family}`)
        try {
          this.versions[peer.family] = await peer.prepare()
          this.present.push(peer)
          this.absent.push(...reasons)
        } catch (error) {
          this.absent.push({ peer: peer.family, scenario: null, reason: (error as Error).message })
        }
      } else {
        this.absent.push(...reasons)
      }
    }
  }

  async run(scenario: Scenario): Promise<Row[]> {
    const rows: Row[] = []
    const rounds = scenario.rounds(this.settings)
    for (const size of scenario.sizes(this.settings)) {
      const entries: Entry[] = []
      try {
        for (const who of this.contestants(scenario)) entries.push(await this.open(scenario, size, who))
        for (let round = 1; round <= rounds; round++) {
          for (const entry of entries) await this.round(scenario, size, entry, `round ${round} of ${rounds}`)
        }
      } finally {
        await Promise.all(entries.map(entry => entry.session?.close()))
      }
      rows.push(
        ...toRows(
          entries.map(entry => measured(scenario, size, entry, rounds)),
          scenario.metrics,
        ),
      )
    }
    const grown = (scenario.growths ?? []).flatMap(({ of, metric }) => growthRows(rows, of, metric))
    return [...rows, ...grown]
  }

  private contestants(scenario: Scenario): Contestant[] {
    return this.present.flatMap(peer => {
      const ways = peer.ways(scenario.name)
      return typeof ways === "string" ? [] : ways.map(way => contestant(peer, way)).filter(who => this.wanted(who))
    })
  }

  private wanted(who: Contestant): boolean {
    return named(this.settings.peers, who)
  }

  /** Is it wanted in any scenario, and in which does it have nothing to offer? */
  private lookFor(peer: Peer, scenarios: readonly Scenario[]): { asked: boolean; reasons: Absence[] } {
    let asked = false
    const reasons: Absence[] = []
    for (const { name: scenario } of scenarios) {
      const ways = peer.ways(scenario)
      if (typeof ways !== "string") asked ||= ways.some(way => this.wanted(contestant(peer, way)))
      else if (this.wanted(contestant(peer, ""))) reasons.push({ peer: peer.family, scenario, reason: ways })
    }
    return { asked, reasons }
  }

  private async open(scenario: Scenario, size: number, who: Contestant): Promise<Entry> {
    this.progress.show(`${at(scenario, size)}  first tries  ${who.label}`)
    try {
      return { who, session: await scenario.open(who, size, this.settings), samples: [] }
    } catch (error) {
      this.fail(scenario, size, who, error)
      return { who, session: null, samples: [] }
    }
  }

  private async round(scenario: Scenario, size: number, entry: Entry, text: string): Promise<void> {
    if (!entry.session) return
    this.progress.show(`${at(scenario, size)}  ${text}  ${entry.who.label}`)
    try {
      entry.samples.push(await entry.session.round())
    } catch (error) {
      this.fail(scenario, size, entry.who, error)
    }
  }

  private fail({ name }: Scenario, size: number, { label }: Contestant, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    const same = this.failures.findIndex(
      failure =>
        failure.scenario === name && failure.size === size && failure.peer === label && failure.message === message,
    )
    const rounds = same < 0 ? 1 : this.failures[same].rounds + 1
    const failure = { scenario: name, size, peer: label, rounds, message }
    if (same < 0) this.failures.push(failure)
    else this.failures[same] = failure
  }
}

function at(scenario: Scenario, size: number): string {
  return `${scenario.name} ${sizeText(size, scenario.sizeUnit)}`.trim()
}

/** The rounds that succeeded stand for all unless more than half of them failed. */
function measured({ name }: Scenario, size: number, { who, samples }: Entry, rounds: number): Measured {
  return { scenario: name, size, peer: who.label, samples: samples.length * 2 < rounds ? [] : samples }
}
