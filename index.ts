import type { SocketOptions } from "./core/construct.ts"
import { Context } from "./core/context.ts"
import { Pull as PullSocket } from "./patterns/pipeline/pull.ts"
import { Push as PushSocket } from "./patterns/pipeline/push.ts"
import { IpcTransport } from "./transports/ipc.ts"
import { TcpTransport } from "./transports/tcp.ts"

export const context = new Context([new TcpTransport(), new IpcTransport()])

export class Push extends PushSocket {
  constructor(options: SocketOptions<PushSocket> = {}) {
    super({ context, ...options })
  }
}
export class Pull extends PullSocket {
  constructor(options: SocketOptions<PullSocket> = {}) {
    super({ context, ...options })
  }
}
