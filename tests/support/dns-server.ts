import dgram from "node:dgram"
import dns from "node:dns"
import { once } from "node:events"
import net from "node:net"
import { later } from "./cleanup.ts"

export interface Service {
  readonly priority: number
  readonly target: string
  readonly port: number
}

interface Answers {
  readonly addresses: readonly string[]
  readonly services: readonly Service[]
}

const TYPES = { A: 1, AAAA: 28, SRV: 33 } as const
const CODES = { fine: 0, failed: 2, unknown: 3 } as const
/** Seconds. Nobody is to keep an answer. */
const TTL = 0
/** Where the question, and with it the name, stands in every message. */
const HEAD = 12

/** A name server on loopback that knows what a test tells it (RFC 1035, RFC 2782). */
export class DnsServer {
  /** How it answers: as it knows, with SERVFAIL, or not at all. */
  mode: "answers" | "fails" | "silent" = "answers"
  /** Questions so far. */
  questions = 0
  private readonly names = new Map<string, Answers>()
  private readonly socket: dgram.Socket

  private constructor(socket: dgram.Socket) {
    this.socket = socket
    socket.on("message", (message, { port, address }) => {
      this.questions++
      if (this.mode !== "silent") socket.send(this.answer(message), port, address)
    })
  }

  static async start(): Promise<DnsServer> {
    const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1").unref()
    await once(socket, "listening")
    later(() => new Promise<void>(resolve => socket.close(resolve)))
    return new DnsServer(socket)
  }

  /** A resolver that asks nobody else. */
  resolver(): dns.promises.Resolver {
    const resolver = new dns.promises.Resolver({ timeout: 200, tries: 1 })
    resolver.setServers([`127.0.0.1:${this.socket.address().port}`])
    return resolver
  }

  /** From now on the name has these, and no other, records. */
  set(name: string, addresses: readonly string[], services: readonly Service[] = []): void {
    this.names.set(name, { addresses, services })
  }

  remove(name: string): void {
    this.names.delete(name)
  }

  private answer(message: Buffer): Buffer {
    const labels: string[] = []
    let at = HEAD
    while (message[at] !== 0) {
      labels.push(message.toString("latin1", at + 1, at + 1 + message[at]))
      at += 1 + message[at]
    }
    const type = message.readUInt16BE(at + 1)
    const question = message.subarray(HEAD, at + 5)
    const found = this.names.get(labels.join(".").toLowerCase())
    const records = this.mode === "fails" || found === undefined ? [] : recordsOf(found, type)
    const code = this.mode === "fails" ? CODES.failed : found === undefined ? CODES.unknown : CODES.fine
    // A response, authoritative, recursion desired and available.
    const head = [message.readUInt16BE(0), 0x8580 | code, 1, records.length, 0, 0]
    return Buffer.concat([Buffer.concat(head.map(uint16)), question, ...records])
  }
}

function recordsOf({ addresses, services }: Answers, type: number): Buffer[] {
  const record = (data: Buffer): Buffer =>
    Buffer.concat([...[0xc000 | HEAD, type, 1, 0, TTL, data.length].map(uint16), data])
  if (type === TYPES.A) return addresses.filter(one => net.isIPv4(one)).map(one => record(ipv4(one)))
  if (type === TYPES.AAAA) return addresses.filter(one => net.isIPv6(one)).map(one => record(ipv6(one)))
  if (type !== TYPES.SRV) return []
  return services.map(({ priority, port, target }) =>
    record(Buffer.concat([uint16(priority), uint16(0), uint16(port), name(target)])),
  )
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function ipv4(address: string): Buffer {
  return Buffer.from(address.split(".").map(Number))
}

/** With at most one "::". */
function ipv6(address: string): Buffer {
  const [before, after = ""] = address.split("::")
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"))
  const missing = 8 - groups(before).length - groups(after).length
  const all = [...groups(before), ...Array.from({ length: missing }, () => "0"), ...groups(after)]
  return Buffer.concat(all.map(one => uint16(Number.parseInt(one, 16))))
}

function name(text: string): Buffer {
  const labels = text.split(".").filter(one => one !== "")
  return Buffer.concat([...labels.map(one => Buffer.from([one.length, ...Buffer.from(one)])), Buffer.of(0)])
}
