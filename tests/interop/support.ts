/** What the tests against the npm package `zeromq`, which is libzmq, have in common. */
import assert from "node:assert/strict"
import * as zmq from "zeromq"
import type { CloseOptions } from "../../index.ts"
import { later, using } from "../support/cleanup.ts"
import { ENDPOINTS, QUICK } from "../support/sockets.ts"
import { pass } from "../support/wait.ts"

export { QUICK }

/** What sockets of both libraries can do. */
export interface Meeting {
  bind(address: string): Promise<void>
  unbind(address: string): Promise<void>
  connect(address: string): void
  readonly lastEndpoint: string | null
}

export type Frames = readonly Buffer[]

/** One direction between a socket of one library and a socket of the other. */
export interface Flow {
  send(message: Buffer[]): Promise<void>
  receive(): Promise<Frames>
  /** Each message must be received before the next is sent. */
  readonly lockstep?: boolean
}

/** Makes two sockets meet: one is bound, the other connects to it. */
export type Meet = (ours: Meeting, others: Meeting) => Promise<void>

/** A socket of libzmq; closed after the test, without lingering. */
export function theirs<T extends { linger: number; close(): void; reconnectInterval: number }>(socket: T): T {
  socket.linger = 0
  socket.reconnectInterval = 5
  later(() => socket.close())
  return socket
}

/** A socket of Heddle; closed after the test, without lingering. */
export function ours<T extends { close(options?: CloseOptions): Promise<void> }>(socket: T): T {
  return using(socket)
}

export interface Way {
  readonly name: string
  readonly weBind: boolean
  /** To bind to, in Heddle's words. */
  readonly endpoint: string
  readonly meet: Meet
}

async function join(bound: Meeting, dialling: Meeting, endpoint: string): Promise<void> {
  await bound.bind(bound instanceof zmq.Socket ? endpoint.replace(/:0$/, ":*") : endpoint)
  dialling.connect(bound.lastEndpoint as string)
}

/** Each transport that both libraries have, bound by either of them. */
export const WAYS: readonly Way[] = ENDPOINTS.flatMap(endpoint =>
  [true, false].map(weBind => ({
    name: `${endpoint.split(":")[0]}, ${weBind ? "Heddle" : "libzmq"} bound`,
    weBind,
    endpoint,
    meet: (our: Meeting, other: Meeting): Promise<void> =>
      weBind ? join(our, other, endpoint) : join(other, our, endpoint),
  })),
)

/** One test for each way. */
export function everyWay(title: string, body: (meet: Meet, way: Way) => Promise<void>, ways = WAYS): void {
  for (const way of ways) it(`${title} (${way.name})`, () => body(way.meet, way))
}

/**
 * Calls `poke` again and again until it gives something. For what libzmq does only when its application calls it, and
 * for what a sender cannot know (when its peer has subscribed).
 */
export async function eventually<T>(poke: () => T | null | Promise<T | null>): Promise<T> {
  for (;;) {
    const found = await poke()
    if (found !== null) return found
    await pass(2)
  }
}

export function frames(...texts: string[]): Buffer[] {
  return texts.map(text => Buffer.from(text))
}

/** Not all frames with the same bytes: an offset that is wrong by one must show. */
export function payload(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  for (let i = 0; i < Math.min(size, 251); i++) bytes[i] = (i * 7 + size) & 0xff
  for (let filled = 251; filled < size; filled *= 2) bytes.copy(bytes, filled, 0, Math.min(filled, size - filled))
  return bytes
}

export function assertSame(found: Frames, sent: Frames, what: string): void {
  assert.deepEqual(
    found.map(frame => frame.length),
    sent.map(frame => frame.length),
    `${what}: sizes of the frames`,
  )
  for (const [i, frame] of sent.entries()) {
    assert.ok(frame.equals(found[i]), `${what}: frame ${i} of ${frame.length} bytes has other content`)
  }
}

/** Sends while it receives (not in lockstep), and compares each message. */
export async function carries(flow: Flow, messages: readonly Buffer[][]): Promise<void> {
  if (flow.lockstep === true) {
    for (const [i, message] of messages.entries()) {
      await flow.send(message)
      assertSame(await flow.receive(), message, `message ${i}`)
    }
    return
  }
  const sending = (async () => {
    for (const message of messages) await flow.send(message)
  })()
  const receiving = (async () => {
    for (const [i, message] of messages.entries()) assertSame(await flow.receive(), message, `message ${i}`)
  })()
  await Promise.all([sending, receiving])
}
