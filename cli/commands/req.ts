import type { Command } from "commander"
import { HeddleError, Request } from "heddle"
import { attach, showOnProgress } from "../attach.ts"
import { CommandError } from "../exit.ts"
import { batchesOf } from "../input.ts"
import {
  FORMATS_HELP,
  formatFrom,
  receivingOptions,
  type SendFlags,
  sendingOptions,
  socketOptions,
  withSending,
  withSocket,
} from "../options.ts"
import { Pacer } from "../pacer.ts"
import { openOutput } from "../receiving.ts"
import type { Run } from "../run.ts"
import { runWithInput, waitForPeers } from "../sending.ts"

export function addReq(program: Command): void {
  const command = program.command("req").description("Send each line of stdin as a request, and print the replies.")
  withSending(withSocket(command, "give up when a reply takes longer (default: waits for ever)"), 0, "servers")
    .addHelpText(
      "after",
      `
One request at a time: the next one is sent when the reply to the last one is there.
${FORMATS_HELP}

Examples:
  heddle req --connect tcp://localhost:5560 --timeout 2000 "what time is it?"
  heddle req --connect ipc:///tmp/echo --message ping --count 10 --rate 1`,
    )
    .action((args: string[], flags: SendFlags) =>
      runWithInput("req", args, flags, (given, run) => request(given, flags, run)),
    )
}

async function request(given: readonly string[], flags: SendFlags, run: Run): Promise<boolean> {
  const { ending, progress } = run
  const { count = Number.POSITIVE_INFINITY, rate } = flags
  const socket = new Request({ ...socketOptions(flags), ...sendingOptions(flags), ...receivingOptions(flags) })
  const input = batchesOf(
    { given, format: formatFrom(flags), repeat: flags.count !== undefined },
    process.stdin,
    ending.signal,
  )
  const output = openOutput(flags, run)
  const pacer = rate === undefined ? null : new Pacer(rate, ending.signal)
  await attach(socket, flags, run)
  showOnProgress(socket, run)
  // Nobody waits for the reply any more: closing rejects what is under way.
  ending.signal.addEventListener("abort", () => void socket.close({ linger: 0 }))
  try {
    await waitForPeers(socket, flags, run)
    requests: for await (const batch of input) {
      for (const message of batch) {
        if (pacer !== null) await pacer.next()
        if (ending.begun) return false
        await socket.send(message)
        const reply = await socket.receive()
        progress.count(reply)
        progress.makeRoom()
        output.add(reply)
        await output.flush()
        if (progress.messages === count) break requests
      }
    }
  } catch (error) {
    if (ending.begun) return false
    if (error instanceof HeddleError && error.code === "EAGAIN") {
      throw new CommandError(`no reply within ${flags.timeout} ms; is a server there, and does it answer?`)
    }
    throw error
  }
  await output.end()
  await socket.close()
  return !ending.begun
}
