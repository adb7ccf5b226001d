import os from "node:os"
import { ADDRESS_WORDS, type ReceivedBatch, type Source } from "../native/udp.ts"

/** Senders whose address strings are kept: making one takes as long as reading ten datagrams. */
const KEPT = 1024

/** Host and port of a sender, as Node writes them. */
export interface Sender {
  readonly host: string
  readonly port: number
}

/** Names of senders, without making a string for each datagram: datagrams of one sender follow each other mostly. */
export class Sources {
  private readonly known = new Map<string, Sender>()
  private readonly lastKey = new Int32Array(ADDRESS_WORDS)
  private last: Sender = { host: "", port: 0 }

  of(batch: ReceivedBatch, index: number): Sender {
    if (batch.isFrom(index, this.lastKey)) return this.last
    const text = batch.key(index).toString("latin1")
    let sender = this.known.get(text)
    if (sender === undefined) {
      sender = named(batch.source(index))
      // Anybody can send with any number of forged addresses.
      if (this.known.size >= KEPT) this.known.clear()
      this.known.set(text, sender)
    }
    batch.remember(index, this.lastKey)
    this.last = sender
    return sender
  }
}

function named({ host, port, scope }: Source): Sender {
  return { host: scope === 0 ? host : `${host}%${interfaceOf(scope)}`, port }
}

/** The name of the interface with this number, as Node puts it behind a link-local address. */
function interfaceOf(scope: number): string {
  for (const [name, addresses = []] of Object.entries(os.networkInterfaces())) {
    if (addresses.some(one => one.family === "IPv6" && one.scopeid === scope)) return name
  }
  return String(scope)
}

/** The number of a zone: the interface's name, or the number itself. 0 = there is no such interface. */
export function scopeOf(zone: string): number {
  for (const one of os.networkInterfaces()[zone] ?? []) {
    if (one.family === "IPv6" && one.scopeid !== 0) return one.scopeid
  }
  return /^\d{1,9}$/.test(zone) ? Number(zone) : 0
}
