import { WsTransport } from "../../../transports/ws/transport.ts"
import { type ConformanceEndpoints, transportConformance } from "../../conformance/transport.ts"
import { freeTcp } from "../../support/addresses.ts"
import { KINDS, serversOf } from "./web-suite.ts"

const WS: ConformanceEndpoints = {
  any: () => "ws://127.0.0.1:*",
  definite: async () => `${(await freeTcp()).replace("tcp:", "ws:")}/path`,
  refused: "ECONNREFUSED",
  bytes: true,
  wire: false,
  counted: body => body + 1,
  invalid: [
    ["ws://127.0.0.1:0", "dial", "EINVAL"],
    ["ws://127.0.0.1:*/path", "dial", "EINVAL"],
    ["ws://*:5555", "dial", "EINVAL"],
    ["ws://:5555", "dial", "EINVAL"],
    ["ws:///path", "listen", "EINVAL"],
    ["ws://127.0.0.1:http", "dial", "EINVAL"],
    ["ws://127.0.0.1:65536", "listen", "EINVAL"],
    ["ws://::1:5555", "dial", "EINVAL"],
    ["ws://[::1:5555", "dial", "EINVAL"],
    ["ws://user@127.0.0.1:5555", "dial", "EINVAL"],
    ["ws://127.0.0.1:5555/pa th", "dial", "EINVAL"],
    ["ws://127.0.0.1:5555/path?query", "listen", "EINVAL"],
  ],
}

for (const kind of KINDS) transportConformance(`ws by ${kind}`, () => new WsTransport("ws", serversOf(kind)), WS)
