import type { Connection, DropReason, Pattern } from "../../../core/contract.ts"
import { type PipeOptions, type PipeOwner, SocketPipe } from "../../../core/pipe.ts"
import type { ClientName, ClientStats } from "./clients.ts"

export interface ClientPipeOwner extends PipeOwner {
  dropped(pipe: ClientPipe, reason: DropReason, count: number): void
}

/** One ZeroMQ client: its connection, what waits for it, and which part of the node serves it. */
export class ClientPipe extends SocketPipe {
  readonly role: Pattern
  readonly name: ClientName
  private readonly client: ClientPipeOwner

  constructor(role: Pattern, options: PipeOptions, owner: ClientPipeOwner, connection: Connection) {
    super(role, options, owner)
    this.role = role
    this.client = owner
    this.peer = connection.peer
    this.name = { type: connection.peer.socketType, address: connection.peer.address }
  }

  override drop(reason: DropReason, count = 1): void {
    super.drop(reason, count)
    this.client.dropped(this, reason, count)
  }

  get stats(): ClientStats {
    const { messagesSent, messagesReceived, bytesSent, bytesReceived, queued } = this
    let dropped = 0
    for (const count of Object.values(this.dropped ?? {})) dropped += count
    return { ...this.name, messagesSent, messagesReceived, bytesSent, bytesReceived, queued, dropped }
  }
}
