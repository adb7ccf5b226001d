import type { Message } from "heddle"
import { bytes, duration, plural, whole } from "./units.ts"

/** Milliseconds between two drawings: often enough to look alive, seldom enough to cost nothing. */
const INTERVAL = 250
/** Milliseconds without a message after which the line says for how long. */
const SILENCE = 1_000

/** The terminal, as far as the line needs it; `process.stderr` is one. */
export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface ProgressSettings {
  /** Stands first on the line: `heddle pull`. */
  title: string
  terminal: Terminal
  /** --quiet. */
  silent: boolean
  /** Messages go to the same terminal: the line makes room for them. */
  sharesTerminal: boolean
}

/** One line on stderr that says how it goes, and a last one that sums up; only on a terminal. */
export class Progress {
  messages = 0
  bytes = 0
  /** What is known of the socket's other side; asked when the line is drawn. */
  peers: (() => number) | null = null
  dropped: (() => number) | null = null
  /** Brings the counters up to date before they are shown, where no `count` is called per message. */
  refresh: (() => void) | null = null
  /** A further field, such as what the command waits for before it begins. */
  note = ""
  private readonly settings: ProgressSettings
  private readonly began = performance.now()
  private readonly enabled: boolean
  private timer: NodeJS.Timeout | undefined
  private drawn = false
  private lastCount = 0
  private lastTime = this.began
  private lastChange = this.began

  constructor(settings: ProgressSettings) {
    this.settings = settings
    this.enabled = settings.terminal.isTTY === true && !settings.silent
  }

  start(): void {
    if (!this.enabled) return
    this.timer = setInterval(() => this.draw(performance.now()), INTERVAL)
    this.timer.unref()
  }

  count(message: Message): void {
    this.messages++
    for (let i = 0; i < message.length; i++) this.bytes += message[i].length
  }

  /** Before something else is written to the terminal. */
  erase(): void {
    if (!this.drawn) return
    this.drawn = false
    this.settings.terminal.write("\r\x1b[K")
  }

  /** Before messages are written to stdout. */
  makeRoom(): void {
    if (this.settings.sharesTerminal) this.erase()
  }

  /** A line that stays. */
  say(text: string): void {
    this.erase()
    this.settings.terminal.write(`${text}\n`)
  }

  /** @internal Draws the state at this time (milliseconds). */
  draw(now: number): void {
    this.refresh?.()
    const text = [this.settings.title, ...this.fields(now)].join("  ")
    // A line that wraps could not be erased.
    this.settings.terminal.write(`\r\x1b[K${text.slice(0, (this.settings.terminal.columns || 80) - 1)}`)
    this.drawn = true
  }

  /** Takes the line away and sums up. */
  stop(): void {
    clearInterval(this.timer)
    if (!this.enabled) return
    this.refresh?.()
    const took = performance.now() - this.began
    const rate = whole((this.messages * 1000) / Math.max(took, 1))
    const sum = [`${plural(this.messages, "message")}, ${bytes(this.bytes)} in ${duration(took)} (${rate}/s)`]
    const dropped = this.dropped?.() ?? 0
    if (dropped > 0) sum.push(`${whole(dropped)} dropped`)
    this.say(`${this.settings.title}: ${sum.join(", ")}`)
  }

  private fields(now: number): string[] {
    const rate = ((this.messages - this.lastCount) * 1000) / Math.max(now - this.lastTime, 1)
    if (this.messages !== this.lastCount) this.lastChange = now
    this.lastCount = this.messages
    this.lastTime = now
    const fields = [plural(this.messages, "message"), `${whole(rate)}/s`, bytes(this.bytes)]
    if (this.peers !== null) fields.push(plural(this.peers(), "peer"))
    const dropped = this.dropped?.() ?? 0
    if (dropped > 0) fields.push(`${whole(dropped)} dropped`)
    if (this.note !== "") fields.push(this.note)
    if (now - this.lastChange >= SILENCE) fields.push(`waiting ${duration(now - this.lastChange)}`)
    return fields
  }
}
