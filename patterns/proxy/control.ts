import type { Message } from "../../core/contract.ts"
import type { Consumer } from "../../core/inbox.ts"
import type { SideStatistics } from "./flow.ts"

/** A socket that brings commands, and takes answers when it can. */
export interface ControlSocket {
  readonly type: number
  consume(handler: (message: Message) => void): Consumer
  trySend?(message: Message): boolean
}

/** What a command can do to a proxy. */
export interface Steerable {
  pause(): void
  resume(): void
  terminate(): void
  statistics(): Sides
}

interface Sides {
  readonly front: SideStatistics
  readonly back: SideStatistics
}

const REP = 4
const NOTHING: Message = [Buffer.alloc(0)]

/** Steers a proxy by the text commands of zmq_proxy_steerable (PROXY-9). Returns what ends it. */
export function obey(socket: ControlSocket, proxy: Steerable): Consumer {
  return socket.consume(message => {
    const command = message.length === 1 ? message[0].toString("latin1") : ""
    if (command === "STATISTICS") answer(socket, statisticsMessage(proxy.statistics()))
    // A Reply can take no further command before it has answered this one, whatever it was.
    else if (socket.type === REP) answer(socket, NOTHING)
    if (command === "PAUSE") proxy.pause()
    else if (command === "RESUME") proxy.resume()
    else if (command === "TERMINATE") proxy.terminate()
  })
}

/** Eight frames of 8 bytes, front before back, each: messages in, bytes in, messages out, bytes out; little-endian. */
export function statisticsMessage({ front, back }: Sides): Message {
  return [front, back].flatMap(side =>
    [side.messagesIn, side.bytesIn, side.messagesOut, side.bytesOut].map(value => {
      const frame = Buffer.alloc(8)
      frame.writeBigUInt64LE(BigInt(value))
      return frame
    }),
  )
}

/** A controller that does not read its answers loses them: commands must not pile up memory. */
function answer(socket: ControlSocket, message: Message): void {
  try {
    socket.trySend?.(message)
  } catch {
    // The controller is gone, or its socket is closed: nobody wants the answer.
  }
}
