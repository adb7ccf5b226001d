import type { Service, Subscription, Worker } from "../../../../index.ts"
import { Ledger, type Numbered } from "./ledger.ts"
import type { Member, World } from "./world.ts"

/** Requests wait so long, in milliseconds. */
const TIMEOUT = 3_000

/** Queue groups, requests, tasks and history at the members of a world, and what became of each. */
export class Work {
  /** By `from:n`: how often a member of the group has got it. */
  readonly grouped = new Map<string, number>()
  readonly served = new Map<string, number>()
  /** Tasks that a handler has come to the end of. */
  readonly worked = new Set<string>()
  readonly ledgers: Ledger[] = []
  readonly faults: string[] = []
  /** Requests, and tasks whose pusher lives, that are not over. */
  readonly open = new Map<string, Member>()
  private readonly world: World
  private readonly takers = new Map<Member, (Subscription | Service | Worker)[]>()

  constructor(world: World) {
    this.world = world
  }

  /** Of every member from the first. */
  settle(member: Member): void {
    const { fabric } = member
    fabric.keep("h.*", { last: 3 })
    this.takers.set(member, [])
    this.take(member, 3)
  }

  /** One thing that a member does. */
  act(member: Member): void {
    const { random } = this.world
    const { fabric } = member
    const numbered = (kind: string): Numbered => ({ from: fabric.id, n: member.next(kind) })
    random.pick([
      () => void fabric.publish("q.job", numbered("q")),
      () => {
        const subject = `h.${random.int(0, 2)}`
        fabric.publish(subject, numbered(subject))
      },
      () => void this.ask(member, numbered("r")),
      () => void this.push(member, numbered("t")),
      () => this.change(member),
    ])()
  }

  /** Every kind is taken care of at some member. */
  provide(member: Member): void {
    for (let kind = 0; kind < 4; kind++) this.take(member, kind)
  }

  /** What is wrong in the end. */
  audit(): string[] {
    const { faults } = this
    for (const [what, times] of [["q", this.grouped] as const, ["r", this.served] as const])
      for (const [key, count] of times) if (count > 1) faults.push(`${what} ${key} came ${count} times`)
    for (const [key, member] of this.open) if (!member.gone) faults.push(`${key} of ${member.fabric.name} is not over`)
    for (const ledger of this.ledgers) faults.push(...ledger.audit(new Set()))
    for (const { fabric } of this.world.alive) {
      const { requests, tasks, peers, takers } = fabric.stats()
      if (requests + tasks.outstanding + tasks.queued > 0)
        faults.push(`${fabric.name} counts ${requests} requests, ${JSON.stringify(tasks)}`)
      for (const { name, queued, unacknowledged } of peers)
        if (queued + unacknowledged > 0)
          faults.push(`${fabric.name} keeps ${queued} messages, ${unacknowledged} bytes for ${name}`)
      for (const { kind, pattern, queued } of takers)
        if (queued > 0) faults.push(`${kind} ${pattern} of ${fabric.name} has ${queued} waiting`)
    }
    return faults
  }

  private change(member: Member): void {
    const { random } = this.world
    const takers = this.takers.get(member) as (Subscription | Service | Worker)[]
    if (takers.length < 6 && random.chance(0.6)) {
      this.take(member, random.int(0, 3))
      return
    }
    const [taker] = takers.splice(random.int(0, takers.length - 1), 1)
    if (taker === undefined) return
    if (random.chance(0.5)) void taker.drain()
    else if ("unsubscribe" in taker) taker.unsubscribe()
    else taker.close()
  }

  private take(member: Member, kind: number): void {
    const { random } = this.world
    const { fabric } = member
    const pause = (): Promise<void> | undefined =>
      random.chance(0.5) ? undefined : member.wait(random.int(1, random.chance(0.1) ? 2_000 : 50))
    const count = (times: Map<string, number>, { from, n }: Numbered): void => {
      const key = `${from}:${n}`
      times.set(key, (times.get(key) ?? 0) + 1)
    }
    const takers = this.takers.get(member) as (Subscription | Service | Worker)[]
    if (kind === 0) {
      const handler = ({ data }: { data: unknown }): Promise<void> | undefined => {
        count(this.grouped, data as Numbered)
        return pause()
      }
      const policy = random.pick(["drop-new", "drop-old", "block"] as const)
      takers.push(fabric.subscribe("q.*", handler, { queue: "all", concurrency: random.int(1, 3), policy }))
    } else if (kind === 1) {
      const handler = async ({ data }: { data: unknown }): Promise<unknown> => {
        count(this.served, data as Numbered)
        await pause()
        return data
      }
      takers.push(fabric.serve("r.echo", handler, { concurrency: random.int(0, 2), limit: random.int(1, 50) }))
    } else if (kind === 2) {
      const handler = async ({ data }: { data: unknown }): Promise<void> => {
        await pause()
        if (random.chance(0.2)) throw new Error("not this time")
        const { from, n } = data as Numbered
        this.worked.add(`${from}:${n}`)
      }
      takers.push(fabric.work("t.*", handler, { concurrency: random.int(1, 3), prefetch: random.int(0, 3) }))
    } else {
      const ledger = new Ledger(
        fabric,
        "h.*",
        { history: random.int(1, 3) },
        pause,
        ({ from, subject }) => from + subject,
      )
      this.ledgers.push(ledger)
      takers.push(ledger.subscription)
    }
  }

  private async ask(member: Member, asked: Numbered): Promise<void> {
    const key = `request ${asked.from}:${asked.n}`
    this.open.set(key, member)
    const began = this.world.net.now()
    try {
      const { data } = await member.fabric.request("r.echo", asked, { timeout: TIMEOUT })
      if ((data as Numbered).n !== asked.n) this.faults.push(`${key} was answered by ${JSON.stringify(data)}`)
    } catch (error) {
      const { code } = error as { code: string }
      if (!EXPECTED.has(code)) this.faults.push(`${key} failed: ${(error as Error).stack}`)
    }
    this.open.delete(key)
    if (this.world.net.now() - began > TIMEOUT + 1) this.faults.push(`${key} took ${this.world.net.now() - began} ms`)
  }

  private async push(member: Member, pushed: Numbered): Promise<void> {
    const key = `task ${pushed.from}:${pushed.n}`
    this.open.set(key, member)
    try {
      const task = await member.fabric.push("t.job", pushed, { maxDeliveries: 1_000, retryDelay: 20 })
      await task.done()
      if (!this.worked.has(`${pushed.from}:${pushed.n}`)) this.faults.push(`${key} is said to be done`)
    } catch (error) {
      // It has left.
      if (!member.gone || (error as { code: string }).code !== "EBADF")
        this.faults.push(`${key} failed: ${(error as Error).stack}`)
    }
    this.open.delete(key)
  }
}

/** How a request may end. */
const EXPECTED = new Set(["ETIMEDOUT", "ERR_NO_RESPONDERS", "ECONNRESET", "EBUSY", "EBADF"])
