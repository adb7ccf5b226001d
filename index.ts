/**
 * The front door: every public class, with the default transports. The only file that knows everybody. The socket
 * classes here are those of patterns/ with the default context filled in.
 */
import type { SocketOptions as OptionsOf } from "./core/construct.ts"
import { type ContextOptions, Context as CoreContext } from "./core/context.ts"
import { Bus as BusSocket } from "./patterns/bus/bus.ts"
import { Client as ClientSocket } from "./patterns/client-server/client.ts"
import { Peer as PeerSocket } from "./patterns/client-server/peer.ts"
import { Server as ServerSocket } from "./patterns/client-server/server.ts"
import { Datagram as DatagramSocket } from "./patterns/datagram/datagram.ts"
import type { Fabric } from "./patterns/fabric/fabric.ts"
import { join as joinIn } from "./patterns/fabric/join.ts"
import type { JoinOptions } from "./patterns/fabric/options.ts"
import type { Subjects } from "./patterns/fabric/typed-subjects.ts"
import { Channel as ChannelSocket } from "./patterns/pair/channel.ts"
import { Pair as PairSocket } from "./patterns/pair/pair.ts"
import { Gather as GatherSocket } from "./patterns/pipeline/gather.ts"
import { Pull as PullSocket } from "./patterns/pipeline/pull.ts"
import { Push as PushSocket } from "./patterns/pipeline/push.ts"
import { Scatter as ScatterSocket } from "./patterns/pipeline/scatter.ts"
import { Publisher as PublisherSocket } from "./patterns/pubsub/publisher.ts"
import { Subscriber as SubscriberSocket } from "./patterns/pubsub/subscriber.ts"
import { XPublisher as XPublisherSocket } from "./patterns/pubsub/xpublisher.ts"
import { XSubscriber as XSubscriberSocket } from "./patterns/pubsub/xsubscriber.ts"
import { Dish as DishSocket } from "./patterns/radio-dish/dish.ts"
import { Radio as RadioSocket } from "./patterns/radio-dish/radio.ts"
import { Dealer as DealerSocket } from "./patterns/reqrep/dealer.ts"
import { Reply as ReplySocket } from "./patterns/reqrep/reply.ts"
import { Request as RequestSocket } from "./patterns/reqrep/request.ts"
import { Router as RouterSocket } from "./patterns/reqrep/router.ts"
import { Stream as StreamSocket } from "./patterns/stream/stream.ts"
import { Respondent as RespondentSocket } from "./patterns/survey/respondent.ts"
import { Surveyor as SurveyorSocket } from "./patterns/survey/surveyor.ts"
import { InprocTransport } from "./transports/inproc/transport.ts"
import { IpcTransport } from "./transports/ipc.ts"
import { MulticastTransport } from "./transports/multicast/transport.ts"
import { loadNative } from "./transports/native/native.ts"
import { packageVersion } from "./transports/native/package-root.ts"
import { TcpTransport } from "./transports/tcp.ts"
import { UdpTransport } from "./transports/udp/transport.ts"
import { WsTransport } from "./transports/ws/transport.ts"

export type { Codec } from "./core/codec.ts"
export type { SocketOptions } from "./core/construct.ts"
export type { ContextOptions } from "./core/context.ts"
export type { DropReason, Message, SocketType, TlsOptions } from "./core/contract.ts"
export type { DuplexSocket } from "./core/duplex-socket.ts"
export { type ErrorCode, HeddleError } from "./core/errors.ts"
export { type HeadersInit, type HeaderValue, MessageHeaders } from "./core/headers.ts"
export type { Consumer, FrameHandler } from "./core/inbox.ts"
export type { MessageLike } from "./core/message.ts"
export {
  type EventOfType,
  type EventType,
  Observer,
  type SocketEvent,
  type SocketEvent as Event,
} from "./core/observer.ts"
export type { ReceivingSocket } from "./core/receiving-socket.ts"
export type { StandardSchema } from "./core/schema.ts"
export type { SendingSocket } from "./core/sending-socket.ts"
export { type CloseOptions, type ReadyOptions, Socket } from "./core/socket.ts"
export type { CommonOptions, ReconnectStop } from "./core/socket-options.ts"
export type { DropCounts, PeerStats, SocketStats } from "./core/stats.ts"
export type { ServerRoutingOptions } from "./patterns/client-server/server.ts"
export type { DatagramMessage } from "./patterns/datagram/datagram.ts"
export type { PolicyName } from "./patterns/fabric/backlog.ts"
export type {
  DrainOptions,
  FlushOptions,
  PushOptions,
  ReadyWish,
  RequestManyOptions,
  RequestOptions,
  SendOptions,
  ServeOptions,
  SubscribeOptions,
  SurveyOptions as FabricSurveyOptions,
  TraceOptions,
  WorkOptions,
} from "./patterns/fabric/call-options.ts"
export type { CarryStats } from "./patterns/fabric/carry/stats.ts"
export { type DirectoryOptions, directory } from "./patterns/fabric/discovery/directory.ts"
export type { Announcement, Candidate, Discovery, DiscoveryHost } from "./patterns/fabric/discovery/discovery.ts"
export { type DnsOptions, dns } from "./patterns/fabric/discovery/dns.ts"
export { fabrics } from "./patterns/fabric/discovery/fabrics.ts"
export { type MulticastOptions, multicast } from "./patterns/fabric/discovery/multicast.ts"
export { type SeedsOptions, seeds } from "./patterns/fabric/discovery/seeds.ts"
export type { EdgeClientName } from "./patterns/fabric/edge/edge-events.ts"
export type { EdgeFile, EdgeGrant, EdgeLists, EdgeOptions, TokenCheck } from "./patterns/fabric/edge/options.ts"
export type { EdgeStats } from "./patterns/fabric/edge/stats.ts"
export type { FabricEvent, PeerName } from "./patterns/fabric/events.ts"
export { Fabric } from "./patterns/fabric/fabric.ts"
export { FlushError, type FlushHolder } from "./patterns/fabric/flush-error.ts"
export type { ClientName, ClientStats } from "./patterns/fabric/foreign/clients.ts"
export type { Keeper, KeepOptions } from "./patterns/fabric/history.ts"
export type { FabricSurvey, NodeStats, NodeTrace, SilentNode, Trace } from "./patterns/fabric/introspection/answers.ts"
export type { FabricDropReason } from "./patterns/fabric/introspection/troubles.ts"
export type { FabricMessage } from "./patterns/fabric/message.ts"
export type { CarryOptions, ForeignOptions, JoinOptions } from "./patterns/fabric/options.ts"
export type { PeerView } from "./patterns/fabric/peer-view.ts"
export type { PublishOptions } from "./patterns/fabric/publishing.ts"
export { RemoteError, ServiceError } from "./patterns/fabric/requests/failures.ts"
export type { RequestMessage } from "./patterns/fabric/requests/request-message.ts"
export type { Service, ServiceHandler } from "./patterns/fabric/requests/service.ts"
export type { FabricStats, SubjectStats, TakerStats } from "./patterns/fabric/statistics.ts"
export type { Handler, Subscription } from "./patterns/fabric/subscription.ts"
export type { Task } from "./patterns/fabric/tasks/tasks.ts"
export type { TaskContext, TaskHandler, Worker } from "./patterns/fabric/tasks/worker.ts"
export type { PublishResult } from "./patterns/fabric/topics.ts"
export type { Exchange, Subjects } from "./patterns/fabric/typed-subjects.ts"
export { Proxy, type ProxySocket, type ProxyStatistics } from "./patterns/proxy/proxy.ts"
export type { SubscribersReadyOptions } from "./patterns/pubsub/publisher.ts"
export type { Verbosity } from "./patterns/pubsub/xpublisher-pattern.ts"
export type { GroupMessage } from "./patterns/radio-dish/dish.ts"
export type { GroupOption } from "./patterns/radio-dish/radio.ts"
export type { RouterConnectOptions, RouterNotify } from "./patterns/reqrep/router.ts"
export type { StreamConnectOptions, StreamMessage } from "./patterns/stream/stream.ts"
export type { SurveyOptions } from "./patterns/survey/surveyor.ts"
export { type CurveKeyPair, curveKeyPair } from "./transports/zmtp/curve-keys.ts"

/** Of this package. */
export const version: string = packageVersion()

/** What this version can do; the names of the npm package `zeromq`. */
export const capability = {
  ipc: process.platform !== "win32",
  draft: true,
  curve: false,
  gssapi: false,
  norm: false,
  pgm: false,
  tipc: false,
  /** The native addon is there: shared memory for `ipc://`, options of sockets that Node has no call for. */
  get native(): boolean {
    return loadNative() !== null
  },
} as const

/** A family of sockets with inproc names of its own and common limits. Most programs need none but `context`. */
export class Context extends CoreContext {
  constructor(options: ContextOptions = {}) {
    super(
      [
        new InprocTransport(),
        new IpcTransport(),
        new TcpTransport(),
        new UdpTransport(),
        new MulticastTransport(),
        new WsTransport("ws"),
        new WsTransport("wss"),
      ],
      options,
    )
  }
}

/** The context of every socket that is not given another. */
export const context: Context = new Context()

/**
 * Makes this process a node of the fabric `name`: it finds the other processes and resolves when it is linked with those that it
 * found. See `JoinOptions`; `S` maps subject patterns to payload types.
 */
export function join<S extends object = Subjects>(name: string, options: JoinOptions = {}): Promise<Fabric<S>> {
  return joinIn<S>(name, { context, ...options })
}

export class Pair extends PairSocket {
  constructor(options: OptionsOf<PairSocket> = {}) {
    super({ context, ...options })
  }
}

export class Channel extends ChannelSocket {
  constructor(options: OptionsOf<ChannelSocket> = {}) {
    super({ context, ...options })
  }
}

export class Push extends PushSocket {
  constructor(options: OptionsOf<PushSocket> = {}) {
    super({ context, ...options })
  }
}

export class Pull extends PullSocket {
  constructor(options: OptionsOf<PullSocket> = {}) {
    super({ context, ...options })
  }
}

export class Scatter extends ScatterSocket {
  constructor(options: OptionsOf<ScatterSocket> = {}) {
    super({ context, ...options })
  }
}

export class Gather extends GatherSocket {
  constructor(options: OptionsOf<GatherSocket> = {}) {
    super({ context, ...options })
  }
}

export class Publisher extends PublisherSocket {
  constructor(options: OptionsOf<PublisherSocket> = {}) {
    super({ context, ...options })
  }
}

export class Subscriber extends SubscriberSocket {
  constructor(options: OptionsOf<SubscriberSocket> = {}) {
    super({ context, ...options })
  }
}

export class XPublisher extends XPublisherSocket {
  constructor(options: OptionsOf<XPublisherSocket> = {}) {
    super({ context, ...options })
  }
}

export class XSubscriber extends XSubscriberSocket {
  constructor(options: OptionsOf<XSubscriberSocket> = {}) {
    super({ context, ...options })
  }
}

export class Request extends RequestSocket {
  constructor(options: OptionsOf<RequestSocket> = {}) {
    super({ context, ...options })
  }
}

export class Reply extends ReplySocket {
  constructor(options: OptionsOf<ReplySocket> = {}) {
    super({ context, ...options })
  }
}

export class Dealer extends DealerSocket {
  constructor(options: OptionsOf<DealerSocket> = {}) {
    super({ context, ...options })
  }
}

export class Router extends RouterSocket {
  constructor(options: OptionsOf<RouterSocket> = {}) {
    super({ context, ...options })
  }
}

export class Client extends ClientSocket {
  constructor(options: OptionsOf<ClientSocket> = {}) {
    super({ context, ...options })
  }
}

export class Server extends ServerSocket {
  constructor(options: OptionsOf<ServerSocket> = {}) {
    super({ context, ...options })
  }
}

export class Peer extends PeerSocket {
  constructor(options: OptionsOf<PeerSocket> = {}) {
    super({ context, ...options })
  }
}

export class Radio extends RadioSocket {
  constructor(options: OptionsOf<RadioSocket> = {}) {
    super({ context, ...options })
  }
}

export class Dish extends DishSocket {
  constructor(options: OptionsOf<DishSocket> = {}) {
    super({ context, ...options })
  }
}

export class Datagram extends DatagramSocket {
  constructor(options: OptionsOf<DatagramSocket> = {}) {
    super({ context, ...options })
  }
}

export class Stream extends StreamSocket {
  constructor(options: OptionsOf<StreamSocket> = {}) {
    super({ context, ...options })
  }
}

export class Surveyor extends SurveyorSocket {
  constructor(options: OptionsOf<SurveyorSocket> = {}) {
    super({ context, ...options })
  }
}

export class Respondent extends RespondentSocket {
  constructor(options: OptionsOf<RespondentSocket> = {}) {
    super({ context, ...options })
  }
}

export class Bus extends BusSocket {
  constructor(options: OptionsOf<BusSocket> = {}) {
    super({ context, ...options })
  }
}
