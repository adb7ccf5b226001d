import dgram from "node:dgram"
import { once } from "node:events"
import { bytes } from "../units.ts"
import { check } from "./check.ts"
import { type Finding, ok, warn } from "./finding.ts"
import { systemNumber, systemText } from "./system-file.ts"

export interface BufferFacts {
  /** Bytes that a process may ask for (net.core.rmem_max, wmem_max); null where there is no such limit to read. */
  receiveLimit: number | null
  sendLimit: number | null
  /** Bytes that a datagram socket got of the `WANTED` it asked for. */
  received: number
  /** Whether this process may go beyond the limit (CAP_NET_ADMIN); it takes the addon, too. */
  privileged: boolean
}

/** Bytes: what multicast:// asks for. */
export const WANTED = 8 * 1024 * 1024

export const buffers = check<BufferFacts>({
  name: "buffers",
  about: "buffers of datagram sockets",
  read: async () => ({
    receiveLimit: systemNumber("/proc/sys/net/core/rmem_max"),
    sendLimit: systemNumber("/proc/sys/net/core/wmem_max"),
    received: await granted(),
    privileged: mayAdministerNetwork(),
  }),
  judge: judgeBuffers,
})

async function granted(): Promise<number> {
  const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1")
  try {
    await once(socket, "listening")
    try {
      socket.setRecvBufferSize(WANTED)
    } catch {
      // macOS refuses what is too much; what it has stays.
    }
    // Linux gives twice what was asked for, for its own books.
    return socket.getRecvBufferSize() / (process.platform === "linux" ? 2 : 1)
  } finally {
    socket.close()
  }
}

const CAP_NET_ADMIN = 12n

function mayAdministerNetwork(): boolean {
  const line = /^CapEff:\s*([0-9a-f]+)/m.exec(systemText("/proc/self/status") ?? "")
  return line !== null && ((BigInt(`0x${line[1]}`) >> CAP_NET_ADMIN) & 1n) === 1n
}

/** Bytes: some milliseconds of a gigabit. Below it a burst is lost whenever the process is busy for a moment. */
const ENOUGH = 2 * 1024 * 1024
/** Linux's default of both limits; less is asked of nobody. */
const USUAL = 212_992

export function judgeBuffers(facts: BufferFacts): Finding[] {
  const findings: Finding[] = []
  const limit = facts.receiveLimit === null ? "" : ` (limit ${bytes(facts.receiveLimit)})`
  const got = `${bytes(facts.received)} of ${bytes(WANTED)}${limit}`
  if (facts.received >= ENOUGH) findings.push(ok("receive buffer", got))
  else if (facts.privileged) findings.push(ok("receive buffer", `${got}; this process may go beyond, with the addon`))
  else {
    findings.push(
      warn(
        "receive buffer",
        got,
        "udp:// loses, and multicast:// repairs, what comes while the process is busy and this is full.",
        facts.receiveLimit === null
          ? "$ sysctl -w kern.ipc.maxsockbuf=16777216"
          : `$ sysctl -w net.core.rmem_max=${WANTED}`,
        "(lasting: a file in /etc/sysctl.d)",
      ),
    )
  }
  if (facts.sendLimit !== null) {
    const value = `limit ${bytes(facts.sendLimit)}`
    const advice = ["Less than Linux's default: the sender waits more often.", `$ sysctl -w net.core.wmem_max=${USUAL}`]
    findings.push(facts.sendLimit < USUAL ? warn("send buffer", value, ...advice) : ok("send buffer", value))
  }
  return findings
}
