import os from "node:os"
import { type Command, Option } from "commander"
import { Pair } from "heddle"
import { attach } from "../attach.ts"
import { startProcess, startThread } from "../bench/partner.ts"
import { receive } from "../bench/receive.ts"
import { type Figures, measure, sayGoodbye } from "../bench/send.ts"
import { headLines, rowLine } from "../bench/table.ts"
import { UsageError } from "../exit.ts"
import { type SharedOptions, withShared } from "../options.ts"
import { type Run, run } from "../run.ts"
import { collect, wholeFrom, wholesFrom } from "../values.ts"

type Transport = "tcp" | "ipc" | "inproc"
const TRANSPORTS: readonly Transport[] = ["tcp", "ipc", "inproc"]
const ADDRESSES: Readonly<Record<Transport, string>> = {
  tcp: "tcp://127.0.0.1:*",
  ipc: "ipc://*",
  inproc: "inproc://heddle-bench",
}

/** Where a figure was measured. */
interface Label {
  transport: string
  partner: string
}

interface BenchFlags extends SharedOptions {
  bind?: readonly string[]
  connect?: readonly string[]
  role?: "send" | "receive"
  transport?: readonly Transport[]
  size: number[]
  count?: number
  roundTrips: number
  json?: true
  timeout?: number
}

const KIB = 1024
const SIZES = [16, KIB, 64 * KIB]
/** Messages and bytes of one measurement: about a second of work each. */
const MOST_MESSAGES = 1_000_000
const MOST_BYTES = 512 * KIB * KIB

export function addBench(program: Command): void {
  const command = program
    .command("bench")
    .description("Measure throughput and round trips: on this machine, or between two.")
    .addOption(
      new Option("-s, --size <bytes>", "payload sizes, separated by commas")
        .argParser(wholesFrom(1, 32 * KIB * KIB))
        .default(SIZES, SIZES.join()),
    )
    .option("-n, --count <n>", "messages for throughput (default: 1000000, fewer of large ones)", wholeFrom(2, 1e9))
    .option("--round-trips <n>", "round trips for latency", wholeFrom(2, 1e8), 10_000)
    .addOption(new Option("--transport <names...>", "only these (default: all)").choices(TRANSPORTS))
    .option("--json", "a line of JSON for each measurement instead of the table")
    .addOption(
      new Option("--role <name>", "one side of a measurement between two machines").choices(["send", "receive"]),
    )
    .option("-b, --bind <addr>", "with --role: listen there", collect)
    .option("-c, --connect <addr>", "with --role: connect to it", collect)
    .option("-t, --timeout <ms>", "with --role: give up when the other side does not come", wholeFrom(1))
  withShared(command)
    .addHelpText(
      "after",
      `
Throughput is what the receiver's handler takes, from the first message to the last. A round trip is there and
back, one at a time. Without --role the other side is a process of its own (tcp, ipc) or a thread (inproc).
The figures hold for this machine and this moment: repeat them, and compare only what was measured together.

Examples:
  heddle bench
  heddle bench --transport ipc --size 100,1000 --count 200000
  heddle bench --role receive --bind tcp://*:5555          (on one machine)
  heddle bench --role send --connect tcp://first:5555      (on the other)`,
    )
    .action((flags: BenchFlags) =>
      run({ name: "bench", options: flags, progress: false }, job => {
        if (flags.role === undefined) return benchHere(flags, job)
        return flags.role === "send" ? benchSend(flags, job) : benchReceive(flags, job)
      }),
    )
}

async function benchHere(flags: BenchFlags, run: Run): Promise<boolean> {
  if (flags.bind !== undefined || flags.connect !== undefined || flags.timeout !== undefined) {
    throw new UsageError("--bind, --connect and --timeout go with --role send or --role receive")
  }
  printHead(flags)
  for (const transport of TRANSPORTS) {
    if (!(flags.transport ?? TRANSPORTS).includes(transport)) continue
    const socket = new Pair()
    await socket.bind(ADDRESSES[transport])
    const start = transport === "inproc" ? startThread : startProcess
    const partner = start(socket.lastEndpoint as string)
    const label = { transport, partner: transport === "inproc" ? "thread" : "process" }
    const done = await Promise.race([series(socket, label, flags, run), partner.failed])
    if (!done) return false
    await partner.ended()
    await socket.close({ linger: 0 })
  }
  return true
}

async function benchSend(flags: BenchFlags, run: Run): Promise<boolean> {
  const socket = new Pair()
  await attach(socket, flags, run)
  printHead(flags)
  const done = await series(socket, { transport: socket.lastEndpoint as string, partner: "remote" }, flags, run)
  await socket.close({ linger: done ? undefined : 0 })
  return done
}

async function benchReceive(flags: BenchFlags, run: Run): Promise<boolean> {
  const socket = new Pair()
  await attach(socket, flags, run)
  const done = await untilEnding(run, async () => {
    await socket.ready({ timeout: flags.timeout })
    await receive(socket)
  })
  await socket.close({ linger: 0 })
  return done
}

/** All sizes with one partner. False = ended before. */
function series(socket: Pair, label: Label, flags: BenchFlags, run: Run): Promise<boolean> {
  return untilEnding(run, async () => {
    await socket.ready({ timeout: flags.timeout })
    for (const size of flags.size) {
      const count = flags.count ?? Math.max(2, Math.min(MOST_MESSAGES, Math.floor(MOST_BYTES / size)))
      printRow(label, await measure(socket, size, count, flags.roundTrips), flags)
    }
    await sayGoodbye(socket)
  })
}

/** True when the work was done, false when the command has to end before. */
function untilEnding(run: Run, work: () => Promise<void>): Promise<boolean> {
  return Promise.race([work().then(() => true), run.ending.wait().then(() => false)])
}

function printHead({ json }: BenchFlags): void {
  if (json) return
  const cpu = os.cpus()
  console.log(
    `Node ${process.version}, ${cpu.length} x ${cpu[0]?.model.trim() ?? "unknown"}, ${os.platform()} ${os.release()}`,
  )
  for (const line of headLines()) console.log(line)
}

function printRow(label: Label, figures: Figures, { json }: BenchFlags): void {
  const name = label.partner === "remote" ? label.transport : `${label.transport}, another ${label.partner}`
  console.log(json ? JSON.stringify({ ...label, ...figures }) : rowLine(name, figures))
}
