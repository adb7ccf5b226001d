import { type Command, Option } from "commander"
import { UsageError } from "./exit.ts"
import { FORMAT_NAMES, type Format, type FormatName, formatOf } from "./formats/format.ts"
import { collect, escaped, positive, wholeFrom } from "./values.ts"

/** What every command takes. */
export interface SharedOptions {
  quiet?: true
  verbose?: true
}

/** Where a socket goes, and its limits; see `withSocket`. */
export interface SocketFlags extends SharedOptions {
  bind?: readonly string[]
  connect?: readonly string[]
  hwm?: number
  linger?: number
  timeout?: number
  maxSize: number
}

export interface FormatFlags {
  format: FormatName
  frames?: true
  json?: true
  delimiter?: Buffer
  maxSize: number
}

export interface SendFlags extends SocketFlags, FormatFlags {
  message?: readonly string[]
  count?: number
  rate?: number
  wait: number
}

/** Largest message, in and out: what Heddle's sockets accept by default. */
const MAX_SIZE = 64 * 1024 * 1024

export function withShared(command: Command): Command {
  return command
    .option("-q, --quiet", "no progress line, no summary, no warnings")
    .option("-v, --verbose", "print what happens to the connections on stderr")
}

/** `timeout` says what the command does with `--timeout`. */
export function withSocket(command: Command, timeout: string): Command {
  return withShared(
    withMaxSize(
      command
        .option(
          "-b, --bind <addr>",
          "listen there (repeatable, with --connect too): tcp://*:5555, ipc:///path",
          collect,
        )
        .option("-c, --connect <addr>", "connect to it, and again whenever it is lost (repeatable)", collect)
        .option("--hwm <n>", "messages queued per peer, 0 = no limit (default: 1000)", wholeFrom(0))
        .option(
          "--linger <ms>",
          "go on sending what is queued so long at the end, -1 = for ever (default: 10000)",
          wholeFrom(-1),
        )
        .option("-t, --timeout <ms>", timeout, wholeFrom(1)),
    ),
  )
}

export function withMaxSize(command: Command): Command {
  return command.addOption(
    new Option("--max-size <bytes>", "largest message")
      .argParser(wholeFrom(1, Number.MAX_SAFE_INTEGER))
      .default(MAX_SIZE, "64 MiB"),
  )
}

export function withFormat(command: Command): Command {
  return command
    .addOption(
      new Option("-f, --format <name>", "how messages stand on stdin and stdout")
        .choices(FORMAT_NAMES)
        .default("lines"),
    )
    .option("--frames", "the same as --format frames")
    .option("--json", "the same as --format json")
    .option(
      "-d, --delimiter <text>",
      "between the frames of a message in a line, such as '\\t' (printing: default \\t)",
      escaped,
    )
}

export function withSending(command: Command, wait: number, whom: string): Command {
  return withFormat(
    command
      .argument("[message...]", "send these instead of stdin")
      .option("-m, --message <text>", "the same, as an option (repeatable)", collect)
      .option(
        "-n, --count <n>",
        "stop after n messages; messages of the command line are repeated until then",
        wholeFrom(1, 2 ** 53),
      )
      .option("-r, --rate <n>", "messages a second, evenly spaced", positive)
      .addOption(
        new Option("-w, --wait <n>", `wait for n ${whom} before the first message`)
          .argParser(wholeFrom(0))
          .default(wait),
      ),
  )
}

export function formatFrom(flags: FormatFlags): Format {
  const names = new Set<FormatName>()
  if (flags.frames) names.add("frames")
  if (flags.json) names.add("json")
  if (names.size > 1) throw new UsageError("--frames and --json exclude each other")
  const name = [...names][0] ?? flags.format
  if (flags.delimiter !== undefined && name !== "lines") {
    throw new UsageError(`--delimiter is for lines; the format ${name} keeps frames apart by itself`)
  }
  return formatOf(name, { delimiter: flags.delimiter ?? null, maxSize: flags.maxSize })
}

/** Options for the constructor of a socket; undefined ones are left to the library's defaults. */
export function socketOptions(flags: SocketFlags): { linger?: number; maxMessageSize: number } {
  return { linger: flags.linger, maxMessageSize: flags.maxSize }
}

export function sendingOptions(flags: SocketFlags): { sendHighWaterMark?: number; sendTimeout?: number } {
  return { sendHighWaterMark: flags.hwm, sendTimeout: flags.timeout }
}

export function receivingOptions(flags: SocketFlags): { receiveHighWaterMark?: number; receiveTimeout?: number } {
  return { receiveHighWaterMark: flags.hwm, receiveTimeout: flags.timeout }
}

export const FORMATS_HELP = `
Formats:
  lines   a message is a line; with --delimiter a line has several frames
  json    a message is a line with an array of its frames: ["topic", "text"]; bytes that are
          no UTF-8 are {"base64": "AAE="}
  frames  binary: number of frames, then length and bytes of each frame; numbers are 32 bits,
          unsigned, big endian. Carries anything; what one command writes another reads.`
