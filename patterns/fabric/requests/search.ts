import { clock } from "../../../core/clock.ts"
import { timeLeft } from "../../../core/deadlines.ts"
import type { HeddleError } from "../../../core/errors.ts"
import { choose } from "../choice.ts"
import { Interest, SERVE } from "../interest.ts"
import type { Topic } from "../topics.ts"
import { noResponders } from "./failures.ts"
import type { Call } from "./requests.ts"

/** Stands for the server of a call as long as there is none. */
export const NOBODY_YET = new Interest(
  {
    id: 0,
    kind: SERVE,
    pattern: ">",
    group: "",
    targeted: true,
    policy: { policy: "drop-new", limit: 1, keep: 1, ttl: 0 },
    history: 0,
    capacity: 1,
  },
  null,
  null,
)

/** As `choose`; who is taken for dead, or has been away for longer than the resume window, does not count. */
export function chooseServer(servers: readonly Interest[]): Interest | null {
  const best = choose(servers)
  return best === null || isThere(best) ? best : choose(servers.filter(isThere))
}

export interface SearchHost {
  /** Peers are still saying what they want: a server may come. */
  expects(): boolean
  /** Up to date. */
  topic(subject: string): Topic
  /** Whom to ask when all are meant. */
  everyone(servers: readonly Interest[]): readonly Interest[]
}

/** Calls for which no server is known while peers may yet name one. They count as requests under way, and end as these do. */
export class Search {
  private readonly calls = new Set<Call>()
  private readonly host: SearchHost
  private readonly place: (call: Call, server: Interest) => void
  /** A null error: the call is over, and its sink knows. */
  private readonly end: (call: Call, error: HeddleError | null) => void
  private scheduled = false

  constructor(
    host: SearchHost,
    place: (call: Call, server: Interest) => void,
    end: (call: Call, error: HeddleError | null) => void,
  ) {
    this.host = host
    this.place = place
    this.end = end
  }

  add(call: Call): void {
    this.calls.add(call)
  }

  delete(call: Call): void {
    this.calls.delete(call)
  }

  /** Servers or peers have come or gone; looks once for many of these. */
  again(): void {
    if (this.scheduled || this.calls.size === 0) return
    this.scheduled = true
    process.nextTick(() => this.look())
  }

  private look(): void {
    this.scheduled = false
    if (this.calls.size === 0) return
    const more = this.host.expects()
    for (const call of [...this.calls]) {
      if (call.over) continue
      const { services, subject } = this.host.topic(call.topic.subject)
      const server = chooseServer(services)
      if (call.sink?.spread !== undefined && !call.anyone) {
        // All are asked at once, so all must be known.
        if (more) continue
        const left = Math.max(1, timeLeft(call, clock.now()))
        this.end(call, null)
        call.sink.spread(this.host.everyone(services), left)
      } else if (server !== null) this.place(call, server)
      else if (!more) this.end(call, noResponders(subject))
    }
  }
}

function isThere({ link }: Interest): boolean {
  return link === null || !(link.lapsed || link.dead)
}
