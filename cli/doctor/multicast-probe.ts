import { randomBytes, randomInt } from "node:crypto"
import dgram from "node:dgram"
import { once } from "node:events"
import { Publisher, Subscriber } from "heddle"
import { messageOf } from "./check.ts"
import type { Interface } from "./interfaces.ts"

/** What became of datagrams to a group of our own. */
export interface ProbeFacts {
  readonly family: 4 | 6
  readonly group: string
  readonly sent: number
  readonly received: number
  /** Bytes of the largest that was sent, and whether it came back: as much as the interface says that it takes. */
  readonly largest: number
  readonly largestCame: boolean
  /** The code of the system's refusal; null = it took them all. */
  readonly failure: string | null
}

/** Milliseconds for one datagram to come back, and how often it is sent. */
const WAIT = 300
const TRIES = 3
/** Bytes of a small one. */
const SMALL = 64
/** Bytes of IP and UDP headers, and of the largest datagram. */
const HEADERS = { 4: 28, 6: 48 } as const
const LARGEST = { 4: 65_507, 6: 65_487 } as const
/** Where the MTU is not known: that of Ethernet. */
const USUAL_MTU = 1_500

/** Nobody else has this group: site-local scopes (RFC 2365, RFC 4291), random below. */
function randomGroup(family: 4 | 6): string {
  if (family === 4) return `239.255.${randomInt(256)}.${randomInt(1, 255)}`
  return `ff15::${randomInt(1, 65_536).toString(16)}:${randomInt(1, 65_536).toString(16)}`
}

/** Sends by the interface to a group that it has joined there, and waits for what comes back. Never rejects. */
export async function probe(one: Interface, family: 4 | 6): Promise<ProbeFacts> {
  const group = randomGroup(family)
  const via = family === 4 ? (one.address as string) : `::%${one.name}`
  const largest = Math.min((one.mtu ?? USUAL_MTU) - HEADERS[family], LARGEST[family])
  const facts = { family, group, sent: 0, received: 0, largest, largestCame: false, failure: null as string | null }
  const socket = dgram.createSocket({ type: `udp${family}` })
  try {
    socket.bind(0)
    await once(socket, "listening")
    socket.on("error", () => {})
    socket.setMulticastInterface(via)
    socket.setMulticastLoopback(true)
    socket.setMulticastTTL(1)
    socket.addMembership(group, via)
    for (const size of [SMALL, largest]) {
      const bytes = randomBytes(size)
      let came = false
      for (let i = 0; i < TRIES && !came; i++) {
        const back = comesBack(socket, bytes)
        await send(socket, bytes, group)
        facts.sent++
        came = await back
      }
      if (came) facts.received++
      if (size === largest) facts.largestCame = came
      if (!came) break
    }
  } catch (error) {
    facts.failure = (error as NodeJS.ErrnoException).code ?? messageOf(error)
  } finally {
    socket.close()
  }
  return facts
}

function comesBack(socket: dgram.Socket, wanted: Buffer): Promise<boolean> {
  return new Promise(resolve => {
    const finish = (came: boolean): void => {
      clearTimeout(timer)
      socket.off("message", hear)
      resolve(came)
    }
    // The group may be somebody else's, too.
    const hear = (bytes: Buffer): void => {
      if (bytes.equals(wanted)) finish(true)
    }
    const timer = setTimeout(finish, WAIT, false)
    socket.on("message", hear)
  })
}

function send(socket: dgram.Socket, bytes: Buffer, group: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(bytes, socket.address().port, group, error => (error === null ? resolve() : reject(error)))
  })
}

/** Milliseconds for a message over multicast:// in all, and between two tries to be heard. */
const PATIENCE = 2_000
const AGAIN = 50

/** A message by Heddle's own sockets. Null = it came; otherwise why not. */
export async function tryTransport(one: Interface, family: 4 | 6): Promise<string | null> {
  const group = family === 4 ? randomGroup(4) : `[${randomGroup(6)}]`
  const query = `?interface=${one.name}`
  const subscriber = new Subscriber({ receiveTimeout: PATIENCE, linger: 0 })
  const publisher = new Publisher({ linger: 0 })
  let timer: NodeJS.Timeout | undefined
  try {
    subscriber.subscribe()
    await subscriber.bind(`multicast://${group}:*${query}`)
    const { port } = new URL((subscriber.lastEndpoint as string).replace(/^multicast:/, "http:"))
    publisher.connect(`multicast://${group}:${port}${query}`)
    // What is sent before the port is open has nowhere to go.
    timer = setInterval(() => publisher.trySend("heddle doctor"), AGAIN)
    await subscriber.receive()
    return null
  } catch (error) {
    return messageOf(error)
  } finally {
    clearInterval(timer)
    await Promise.all([publisher.close(), subscriber.close()])
  }
}
