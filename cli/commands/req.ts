import type { Command } from "commander"
import { HeddleError, Request } from "heddle"
import { attach, showOnProgress } from "../attach.ts"
import { CommandError } from "../exit.ts"
import { isForFabric, withFabric } from "../fabric/options.ts"
import { PAYLOAD_HELP, PAYLOAD_OPTIONS, withHeaders, withPayload } from "../fabric/payload.ts"
import { FABRIC_SENDING } from "../fabric/publish.ts"
import { type FabricRequestFlags, request as requestOnFabric } from "../fabric/request.ts"
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
  const timeout = "give up when a reply takes longer (default: waits for ever; on a fabric 5000)"
  const sockets = withSending(withSocket(command, timeout), 0, "servers")
  withHeaders(withPayload(withFabric(sockets, "optional")))
    .option("--many", "ask all servers of the subject, one of each queue group, and print all replies")
    .option("--stream", "print all replies of one server that answers with a stream")
    .addHelpText(
      "after",
      `
One request at a time: the next one is sent when the reply to the last one is there.
With --fabric the first argument is the subject, and others are requests. Without a server it fails at once, unless
--wait says how many to wait for.
${FORMATS_HELP}
${PAYLOAD_HELP}

Examples:
  heddle req --connect tcp://localhost:5560 --timeout 2000 "what time is it?"
  heddle req --connect ipc:///tmp/echo --message ping --count 10 --rate 1
  heddle req --fabric shop stock.check '{"sku":1}' --timeout 2000
  heddle req --fabric shop who.is.there null --many --json`,
    )
    .action((args: string[], flags: FabricRequestFlags & SendFlags, self: Command) =>
      runWithInput("req", args, flags, (given, run) =>
        isForFabric(self, FABRIC_SENDING, [...PAYLOAD_OPTIONS, "many", "stream"])
          ? requestOnFabric(given, flags, run)
          : request(given, flags, run),
      ),
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
