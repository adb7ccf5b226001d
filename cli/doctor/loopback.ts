import { Reply, Request } from "heddle"
import { check, messageOf } from "./check.ts"
import { type Finding, fail, ok, warn } from "./finding.ts"
import { systemText } from "./system-file.ts"

export interface TripFacts {
  transport: "tcp" | "tcp, IPv6" | "ipc"
  /** Milliseconds of the median round trip; null = there was none. */
  trip: number | null
  failure: string | null
}

export interface LoopbackFacts {
  trips: readonly TripFacts[]
  /** Whether ipc:// went through shared memory; null = it cannot be seen here. */
  sharedMemory: boolean | null
}

export const loopback = check<LoopbackFacts>({
  name: "loopback",
  about: "messages there and back over tcp and ipc",
  async read() {
    let sharedMemory: boolean | null = null
    const look = (): void => {
      const maps = systemText("/proc/self/maps")
      sharedMemory = maps === null ? null : maps.includes("/memfd:heddle ")
    }
    const trips = [
      await roundTrip("tcp", "tcp://127.0.0.1:*"),
      await roundTrip("tcp, IPv6", "tcp://[::1]:*", true),
      ...(process.platform === "win32" ? [] : [await roundTrip("ipc", "ipc://*", false, look)]),
    ]
    return { trips, sharedMemory }
  },
  judge: judgeLoopback,
})

const TRIPS = 21
/** Milliseconds for one of them. */
const PATIENCE = 3_000

async function roundTrip(
  transport: TripFacts["transport"],
  endpoint: string,
  ipv6 = false,
  look?: () => void,
): Promise<TripFacts> {
  const reply = new Reply({ ipv6, linger: 0 })
  const request = new Request({ ipv6, linger: 0, receiveTimeout: PATIENCE, sendTimeout: PATIENCE })
  const answering = (async () => {
    for await (const message of reply) await reply.send(message)
  })()
  // It ends when the socket is closed.
  answering.catch(() => {})
  try {
    await reply.bind(endpoint)
    request.connect(reply.lastEndpoint as string)
    const times: number[] = []
    for (let i = 0; i < TRIPS; i++) {
      const began = performance.now()
      await request.send("heddle doctor")
      await request.receive()
      times.push(performance.now() - began)
    }
    look?.()
    times.sort((a, b) => a - b)
    return { transport, trip: times[TRIPS >> 1], failure: null }
  } catch (error) {
    return { transport, trip: null, failure: messageOf(error) }
  } finally {
    await Promise.all([request.close(), reply.close()])
  }
}

export function judgeLoopback({ trips, sharedMemory }: LoopbackFacts): Finding[] {
  return trips.map(({ transport, trip, failure }) => {
    if (transport === "tcp, IPv6" && trip === null) {
      return warn(
        transport,
        `no: ${failure}`,
        "Names that resolve to ::1 are not reached; use 127.0.0.1, or:",
        "$ sysctl -w net.ipv6.conf.lo.disable_ipv6=0",
      )
    }
    if (trip === null) {
      const what =
        transport === "tcp" ? "Look for a firewall on loopback:" : "Sockets need a folder that can be written to:"
      const command =
        transport === "tcp" ? "$ ip addr show lo; iptables -S INPUT; nft list ruleset" : '$ ls -ld "${TMPDIR:-/tmp}"'
      return fail(transport, `no: ${failure}`, what, command)
    }
    const memory = transport === "ipc" && sharedMemory ? ", through shared memory" : ""
    return ok(transport, `${(trip * 1000).toFixed(0)} us a round trip${memory}`)
  })
}
