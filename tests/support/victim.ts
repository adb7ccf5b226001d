import { Program } from "./processes.ts"
import { until } from "./wait.ts"

/** What a victim tells of itself; memory in bytes, after a collection. */
export interface Report {
  rss: number
  heapUsed: number
  arrayBuffers: number
  /** Messages that it has received. */
  messages: number
  /** Connected peers. */
  peers: number
  /** Its events by type and error code: "handshake:error:protocol ERR_ZMTP_GREETING". */
  events: Record<string, number>
  dropped: Record<string, number>
  queued: number
}

/** A socket in a process of its own, bound to a TCP port, that others may attack: its memory is nobody else's. */
export class Victim {
  readonly program: Program
  readonly endpoint: string
  private reports = 0

  private constructor(program: Program, endpoint: string) {
    this.program = program
    this.endpoint = endpoint
  }

  /**
   * `make` is the expression that makes the socket: `new Pull()`. `more` is run once it is bound, as `socket`. `files`: how
   * many the process may have open at once.
   */
  static async start(make: string, more = "", files?: number): Promise<Victim> {
    const program = Program.start(
      `
      import * as heddle from "${new URL("../../heddle.js", import.meta.url)}"
      import readline from "node:readline"
      const { ${CLASSES.join(", ")} } = heddle
      const say = text => process.stdout.write(text + "\\n")
      const socket = ${make}
      const events = {}
      for (const type of ${JSON.stringify(EVENTS)}) {
        socket.events.on(type, ({ error }) => {
          const name = error === undefined ? type : type + " " + error.code
          events[name] = (events[name] ?? 0) + 1
        })
      }
      let messages = 0
      if (socket.consume !== undefined && !${make.includes("/* idle */")}) socket.consume(() => void messages++)
      await socket.bind("tcp://127.0.0.1:*")
      say("bound " + socket.lastEndpoint)
      readline.createInterface({ input: process.stdin }).on("line", async line => {
        if (line !== "report") return
        // Twice: what the first finds is freed behind the program's back.
        gc()
        await new Promise(setImmediate)
        gc()
        const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
        const { peers, dropped, queued } = socket.stats()
        const connected = peers.filter(one => one.connected).length
        say("report " + JSON.stringify({ rss, heapUsed, arrayBuffers, messages, peers: connected, events, dropped, queued }))
      })
      ${more}
    `,
      files,
    )
    const [, endpoint] = await program.says(/^bound (.*)$/m)
    return new Victim(program, endpoint)
  }

  async report(): Promise<Report> {
    const wanted = ++this.reports
    this.program.tell("report")
    const all = (): RegExpMatchArray[] => [...this.program.output.matchAll(/^report (.*)$/gm)]
    await until(() => all().length >= wanted || !this.program.running)
    if (!this.program.running) throw new Error(`the victim died: ${this.program.output}`)
    return JSON.parse(all()[wanted - 1][1])
  }

  /** Asks until the report is as wanted. */
  async comesTo(wanted: (report: Report) => boolean): Promise<Report> {
    for (;;) {
      const report = await this.report()
      if (wanted(report)) return report
    }
  }
}

const CLASSES = ["Push", "Pull", "Publisher", "XPublisher", "Subscriber", "Router", "Dealer", "Pair"]

const EVENTS = [
  "accept",
  "accept:error",
  "handshake",
  "handshake:error:protocol",
  "handshake:error:other",
  "disconnect",
  "refuse",
]
