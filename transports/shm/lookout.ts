/**
 * A reader that has nothing to read looks for a short while before it sleeps: to put a processor to sleep and to wake it
 * costs more than most round trips on one machine. All readers of a thread that look at the moment share one loop.
 */
import { clock } from "../../core/clock.ts"
import { Payoff } from "../../core/payoff.ts"

/**
 * Microseconds without news after which a reader sleeps, unless told otherwise. A round trip over a Unix socket takes about
 * half as much here.
 */
export const PATIENCE = 50

/**
 * Microseconds that a turn of the event loop looks before timers and I/O have theirs: a turn by itself costs 1 to 2, and
 * nothing feels a delay of so many.
 */
const SPIN = 50

/** Looks between two readings of the clock: together they take about as long as that and the way to the next ones. */
const LOOKS = 64

/** Whom a lookout serves. */
export interface Watched {
  /** There is something to read. */
  readonly due: boolean
  /** To be read now. */
  found(): void
  /** Nothing came in time: have yourself woken by the other side. */
  gaveUp(): void
}

const RESOLVED = Promise.resolve()

const watching: Lookout[] = []
/** A look is due in this turn; the next turn is asked for. */
let ticking = false
/** Somebody has just found something: what he answers is sent after the next looks, which must not keep it waiting. */
let answering = false
let turning = false
/** When this turn's looking ends, milliseconds of `performance.now`. */
let turnEnds = 0

/** One reader's way to wait. */
export class Lookout {
  /** Milliseconds of `performance.now` until which it looks. */
  until = 0
  looking = false
  readonly watched: Watched
  private readonly always: boolean
  private readonly patience: number
  readonly payoff = new Payoff()

  /** @param patience microseconds to look since the last news @param always also when it does not pay */
  constructor(watched: Watched, patience: number, always: boolean) {
    this.watched = watched
    this.always = always
    this.patience = patience / 1000
  }

  /** There is nothing to read: begins to look, or goes on. False = sleep instead. */
  begin(): boolean {
    if (!this.looking && !this.always && !this.payoff.isWorthATry) return false
    this.start()
    return true
  }

  /** Something was asked that may be answered soon. False as for `begin`. */
  expect(): boolean {
    if (!this.looking && !this.always && !this.payoff.pays) return false
    this.start()
    return true
  }

  /** Nothing will come any more: `gaveUp` follows at the next look. */
  stop(): void {
    this.until = 0
  }

  private start(): void {
    const now = clock.now()
    this.until = now + this.patience
    if (this.looking) return
    this.looking = true
    watching.push(this)
    arm(now)
  }
}

function arm(now: number): void {
  if (!turning) {
    turning = true
    turnEnds = now + SPIN / 1000
    setImmediate(newTurn)
  }
  if (ticking || now >= turnEnds) return
  ticking = true
  RESOLVED.then(tick)
}

/**
 * Between two looks everything that is due in this turn gets done, but neither timers nor I/O: Node runs ticks until none
 * is left, then promises until none is left, and so on; a chain of only one kind would keep the other from running.
 */
function tick(): void {
  process.nextTick(look)
}

function newTurn(): void {
  turning = false
  if (watching.length > 0) arm(clock.now())
}

function look(): void {
  let found = false
  const looks = answering ? 1 : LOOKS
  answering = false
  for (let i = 0; i < looks && !found; i++) found = anybodyDue()
  const now = clock.now()
  ticking = false
  settle(now)
  if (watching.length > 0) arm(now)
}

function anybodyDue(): boolean {
  for (let i = 0; i < watching.length; i++) if (watching[i].watched.due) return true
  return false
}

/** Takes those out who have found something, or whose time is up. */
function settle(now: number): void {
  let kept = 0
  let done: Lookout[] | undefined
  for (const one of watching) {
    if (!one.watched.due && now < one.until) watching[kept++] = one
    else if (done === undefined) done = [one]
    else done.push(one)
  }
  if (done === undefined) return
  watching.length = kept
  for (const one of done) {
    one.looking = false
    const { due } = one.watched
    one.payoff.learn(due)
    try {
      if (due) {
        answering = true
        one.watched.found()
      } else one.watched.gaveUp()
    } catch (error) {
      // One reader's mistake must not leave the others neither looking nor asleep: it surfaces by itself.
      process.nextTick(() => {
        throw error
      })
    }
  }
}
