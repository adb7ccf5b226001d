import { GroupReceiver, type InboundSession } from "../../../../transports/multicast/engine.ts"
import { NearSenders } from "../../../../transports/multicast/near/senders.ts"
import type { Native } from "../../../../transports/native/addon.ts"
import { later } from "../../../support/cleanup.ts"
import { FakePort, TestTime } from "./ports.ts"

export const SOURCE = "127.0.0.1 6001"

/** A receiver that reads its senders' memory, as a station puts it together, and what it heard. */
export class Listener {
  readonly clock = new TestTime()
  readonly port = new FakePort()
  readonly receiver: GroupReceiver
  readonly senders: NearSenders
  sessions: InboundSession[] = []
  readonly messages: Buffer[] = []
  lost = 0
  onMessage: () => void = () => {}

  constructor(native: Native) {
    const host = {
      now: () => this.clock.now(),
      random: () => 0.5,
      send: () => true,
      reply: () => {},
      wake: () => {},
    }
    const session = (session: InboundSession): void => {
      this.sessions.push(session)
      session.onMessage = ([bytes]) => {
        this.messages.push(Buffer.from(bytes as Uint8Array))
        this.onMessage()
      }
      session.onGap = (_first, count) => {
        this.lost += count
      }
    }
    this.receiver = new GroupReceiver(host, {}, { session })
    this.senders = new NearSenders(native, this.clock, this.receiver, this.port)
    later(() => this.close())
  }

  /** What the group's port hears. */
  datagram(bytes: Buffer, source = SOURCE): void {
    const own = Buffer.from(bytes)
    if (this.senders.before(own, source)) this.receiver.received(own, source)
    this.senders.after(own, source)
  }

  tick(milliseconds = 0): void {
    this.clock.time += milliseconds
    this.receiver.tick()
    this.senders.review()
  }

  close(): void {
    this.receiver.close()
    this.senders.close()
  }
}
