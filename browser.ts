/**
 * The front door for pages, workers, and whatever else has a WebSocket: the fabric through the edge of a node. Nothing of Node is in it.
 */
export { type ErrorCode, HeddleError } from "./core/errors.ts"
export { connect } from "./patterns/fabric/browser/connect.ts"
export type { ClientEvent, ClientEvents } from "./patterns/fabric/browser/events.ts"
export type { FabricClient } from "./patterns/fabric/browser/fabric-client.ts"
export { type HeadersInit, type HeaderValue, MessageHeaders } from "./patterns/fabric/browser/headers.ts"
export type { FabricMessage, RequestMessage } from "./patterns/fabric/browser/message.ts"
export type {
  ConnectOptions,
  PublishOptions,
  RequestOptions,
  SendOptions,
  ServeOptions,
  SubscribeOptions,
  Token,
} from "./patterns/fabric/browser/options.ts"
export type { PublishResult, SendResult } from "./patterns/fabric/browser/outbox.ts"
export type { PageCodec } from "./patterns/fabric/browser/payload.ts"
export type { RequestManyOptions } from "./patterns/fabric/browser/replies.ts"
export type { Service, ServiceHandler } from "./patterns/fabric/browser/service.ts"
export type { Status } from "./patterns/fabric/browser/session.ts"
export type { Handler, Subscription } from "./patterns/fabric/browser/subscription.ts"
export type { WebSocketConstructor } from "./patterns/fabric/browser/websocket.ts"
export { RemoteError, ServiceError } from "./patterns/fabric/requests/remote-error.ts"
export type { Exchange, Subjects } from "./patterns/fabric/typed-subjects.ts"
