import { WebSocket } from "undici"
import type { WebSocketClass } from "../../../transports/ws/global-link.ts"
import { WsTransport } from "../../../transports/ws/transport.ts"
import { transportConformance } from "../../conformance/transport.ts"
import { freeTcp } from "../../support/addresses.ts"
import { serversOf } from "./web-suite.ts"

// undici's class is the one that Node has as a global from version 22 on.
transportConformance(
  "ws by the WebSocket of the runtime",
  () => new WsTransport("ws", serversOf("ws"), WebSocket as unknown as WebSocketClass),
  {
    any: () => "ws://127.0.0.1:*",
    definite: async () => (await freeTcp()).replace("tcp:", "ws:"),
    refused: "ECONNREFUSED",
    bytes: true,
    wire: false,
    counted: body => body + 1,
    invalid: [["ws://127.0.0.1:0", "dial", "EINVAL"]],
  },
)
