import type { Command } from "commander"
import { HeddleError, Reply } from "heddle"
import { type AnswerFlags, answerFrom } from "../answer.ts"
import { attach, showOnProgress } from "../attach.ts"
import { CommandError } from "../exit.ts"
import {
  FORMATS_HELP,
  formatFrom,
  receivingOptions,
  sendingOptions,
  socketOptions,
  withFormat,
  withSocket,
} from "../options.ts"
import type { ReceiveFlags } from "../receiving.ts"
import { type Run, run } from "../run.ts"
import { wholeFrom } from "../values.ts"

type RepFlags = ReceiveFlags & AnswerFlags

export function addRep(program: Command): void {
  const command = program
    .command("rep")
    .description("Answer requests: with a text, with themselves, or with a command.")
  withFormat(withSocket(command, "end when no request has come for so long (an error with --count)"))
    .option("-n, --count <n>", "stop after n requests", wholeFrom(1, 2 ** 53))
    .option("--reply <text>", "answer every request with this")
    .option("--echo", "answer every request with itself")
    .option("--exec <cmd>", "run this in a shell for each request: request on stdin, what it prints is the reply")
    .option("--exec-timeout <ms>", "end a command that takes longer", wholeFrom(1))
    .addHelpText(
      "after",
      `
One request at a time. A command of --exec that fails is reported here, and the reply is empty.
In lines, the reply is all that the command prints, without the last end of line.
${FORMATS_HELP}

Examples:
  heddle rep --bind tcp://*:5560 --exec 'date -d "$(cat)"'
  heddle rep --bind ipc:///tmp/echo --echo`,
    )
    .action((flags: RepFlags) => run({ name: "rep", options: flags }, job => reply(flags, job)))
}

async function reply(flags: RepFlags, run: Run): Promise<boolean> {
  const { ending, progress } = run
  const count = flags.count ?? Number.POSITIVE_INFINITY
  const format = formatFrom(flags)
  const answer = answerFrom(flags, format, !flags.frames && !flags.json && flags.format === "lines", run.warn)
  const socket = new Reply({ ...socketOptions(flags), ...sendingOptions(flags), ...receivingOptions(flags) })
  await attach(socket, flags, run)
  showOnProgress(socket, run)
  let answering = false
  // A request that is being answered gets its reply first.
  ending.signal.addEventListener("abort", () => {
    if (!answering) void socket.close()
  })
  while (progress.messages < count && !ending.begun) {
    let request: readonly Buffer[]
    try {
      request = await socket.receive()
    } catch (error) {
      if (ending.begun) break
      if (!(error instanceof HeddleError) || error.code !== "EAGAIN") throw error
      if (flags.count === undefined) break
      throw new CommandError(`no request for ${flags.timeout} ms; ${progress.messages} of ${count} have come`)
    }
    answering = true
    await socket.send(await answer(request))
    answering = false
    progress.count(request)
  }
  await socket.close()
  return flags.count === undefined || progress.messages === count
}
