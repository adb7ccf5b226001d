import type { Message } from "../../core/contract.ts"
import { type DatagramAddress, formatDatagramAddress, parseDatagramAddress } from "../../core/datagram-address.ts"

export interface Outgoing {
  readonly bytes: Buffer
  readonly to: DatagramAddress
}

/** How messages and datagrams become each other. */
export interface Framing {
  /** Null = it cannot be sent. */
  encode(message: Message): Outgoing | null
  /** Null = malformed. */
  decode(bytes: Buffer, host: string, port: number): Message | null
}

/** RADIO and DISH: `group-length(u8) group body`, all to one address (udp_engine.cpp of libzmq 4.3.5). */
export class GroupFraming implements Framing {
  private readonly to: DatagramAddress | null

  /** Null = nothing is sent. */
  constructor(to: DatagramAddress | null) {
    this.to = to
  }

  encode(message: Message): Outgoing | null {
    const [group, body] = message
    if (this.to === null || message.length !== 2 || group.length > 255) return null
    const bytes = Buffer.allocUnsafe(1 + group.length + body.length)
    bytes[0] = group.length
    bytes.set(group, 1)
    bytes.set(body, 1 + group.length)
    return { bytes, to: this.to }
  }

  decode(bytes: Buffer): Message | null {
    if (bytes.length === 0) return null
    const end = 1 + bytes[0]
    return end > bytes.length ? null : [bytes.subarray(1, end), bytes.subarray(end)]
  }
}

/** DGRAM: the bytes as they are, with the address of the other side as the first frame. */
export class AddressedFraming implements Framing {
  private lastHost = ""
  private lastPort = 0
  private lastFrame: Buffer = Buffer.alloc(0)

  encode(message: Message): Outgoing | null {
    const to = message.length === 2 ? parseDatagramAddress(message[0]) : null
    return to === null ? null : { bytes: message[1], to }
  }

  decode(bytes: Buffer, host: string, port: number): Message {
    // Datagrams of one sender follow each other mostly.
    if (port !== this.lastPort || host !== this.lastHost) {
      this.lastHost = host
      this.lastPort = port
      this.lastFrame = formatDatagramAddress(host, port)
    }
    return [this.lastFrame, bytes]
  }
}
