import type { Message, Pair } from "heddle"
import { decodeArrival, encode } from "./orders.ts"
import { type RoundTrips, summarize } from "./percentiles.ts"

export interface Figures {
  /** Bytes of one payload. */
  size: number
  messages: number
  messagesPerSecond: number
  bytesPerSecond: number
  roundTrips: number
  /** Microseconds. */
  roundTrip: RoundTrips
}

/** Part of a measurement that is done once before it, and forgotten: compilers and buffers get warm. */
const WARM_UP = 0.1
/** Payloads at least, of which the receiver can measure one interval. */
const LEAST = 2

/** Measures both with payloads of one size. The partner runs `receive`. */
export async function measure(socket: Pair, size: number, messages: number, roundTrips: number): Promise<Figures> {
  const payload = Buffer.alloc(size, "heddle")
  await stream(socket, payload, Math.max(LEAST, Math.round(messages * WARM_UP)))
  const seconds = await stream(socket, payload, messages)
  await pingPong(socket, payload, Math.max(LEAST, Math.round(roundTrips * WARM_UP)))
  const times = await pingPong(socket, payload, roundTrips)
  // The receiver's clock starts with the first message.
  const perSecond = (messages - 1) / seconds
  return {
    size,
    messages,
    messagesPerSecond: perSecond,
    bytesPerSecond: perSecond * size,
    roundTrips,
    roundTrip: summarize(times),
  }
}

export async function sayGoodbye(socket: Pair): Promise<void> {
  await socket.send(encode({ kind: "goodbye" }))
}

/** Seconds that the messages took at the receiver. */
async function stream(socket: Pair, payload: Buffer, count: number): Promise<number> {
  await socket.send(encode({ kind: "count", count }))
  for (let i = 0; i < count; i++) {
    if (!socket.trySend(payload)) await socket.send(payload)
  }
  const [frame] = await socket.receive()
  return Math.max(decodeArrival(frame).seconds, Number.EPSILON)
}

/** Milliseconds of each round trip, one under way at a time. */
async function pingPong(socket: Pair, payload: Buffer, count: number): Promise<Float64Array> {
  await socket.send(encode({ kind: "echo", count }))
  const times = new Float64Array(count)
  await new Promise<void>((resolve, reject) => {
    let done = 0
    let began = 0
    const ping = (): void => {
      began = performance.now()
      socket.send(payload).catch(reject)
    }
    const consumer = socket.consume((_message: Message) => {
      times[done++] = performance.now() - began
      if (done < count) ping()
      else {
        consumer.stop()
        resolve()
      }
    })
    ping()
  })
  return times
}
