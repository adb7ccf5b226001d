import type { EventType, HeddleError, Socket, SocketEvent } from "heddle"
import { UsageError } from "./exit.ts"
import type { SocketFlags } from "./options.ts"
import type { Run } from "./run.ts"

/** Worth a warning: somebody tried and cannot be talked to. Everything else is for --verbose. */
const TROUBLE: readonly EventType[] = [
  "accept:error",
  "handshake:error:protocol",
  "handshake:error:auth",
  "handshake:error:other",
  "refuse",
]
const LIFE: readonly EventType[] = ["bind", "accept", "connect", "connect:retry", "handshake", "disconnect", "close"]

/** Gives a socket its addresses, and reports on stderr what happens there. */
export async function attach(
  socket: Socket,
  addresses: Pick<SocketFlags, "bind" | "connect">,
  run: Run,
): Promise<void> {
  const { bind = [], connect = [] } = addresses
  if (bind.length + connect.length === 0) throw new UsageError("give --bind ADDR or --connect ADDR (or both)")
  reportEvents(socket, run)
  for (const address of bind) {
    await socket.bind(address)
    // The port or path behind a wildcard must be told, or nobody could connect.
    if (socket.lastEndpoint !== address) run.warn(`listens on ${socket.lastEndpoint}`)
  }
  for (const address of connect) socket.connect(address)
}

/** The socket's peers and drops on the progress line. */
export function showOnProgress(socket: Socket, run: Run): void {
  run.progress.peers = () => socket.stats().peers.filter(peer => peer.connected).length
  run.progress.dropped = () => Object.values(socket.stats().dropped).reduce((sum, count) => sum + count, 0)
}

function reportEvents(socket: Socket, run: Run): void {
  const told = new Set<string>()
  for (const type of TROUBLE) {
    socket.events.on(type, event => {
      const { address, error } = event as { address: string; error: HeddleError }
      // A peer that tries again and again is reported once.
      const key = `${error.code} ${address}`
      if (told.has(key) && !run.options.verbose) return
      if (told.size < MOST_TOLD) told.add(key)
      run.warn(`${error.code}: ${error.message}`)
    })
  }
  socket.events.on("gap", ({ sender, count, reason }) => {
    run.warn(`${count} ${count === 1 ? "message" : "messages"} of ${sender} lost for good (${reason})`)
  })
  if (run.options.verbose) for (const type of LIFE) socket.events.on(type, event => run.progress.say(lineOf(event)))
}

/** Remembered warnings; peers choose their addresses, so there must be an end. */
const MOST_TOLD = 1_000

function lineOf(event: SocketEvent): string {
  const parts: string[] = [event.type]
  if ("address" in event) parts.push(event.address)
  if ("interval" in event) parts.push(`in ${event.interval} ms`)
  if ("error" in event && event.error !== undefined) parts.push(`${event.error.code}: ${event.error.message}`)
  return parts.join(" ")
}
