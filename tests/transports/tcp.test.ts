import { TcpTransport } from "../../transports/tcp.ts"
import { transportConformance } from "../conformance/transport.ts"
import { freeTcp } from "../support/addresses.ts"

transportConformance("tcp", () => new TcpTransport(), {
  any: () => "tcp://127.0.0.1:*",
  definite: freeTcp,
  refused: "ECONNREFUSED",
  bytes: true,
  invalid: [
    ["tcp://nowhere", "dial", "EINVAL"],
    ["tcp://nowhere", "listen", "EINVAL"],
    ["tcp://127.0.0.1:", "dial", "EINVAL"],
    ["tcp://:5555", "dial", "EINVAL"],
    ["tcp://127.0.0.1:http", "dial", "EINVAL"],
    ["tcp://127.0.0.1:65536", "listen", "EINVAL"],
    ["tcp://127.0.0.1:-1", "dial", "EINVAL"],
    ["tcp://127.0.0.1:1e3", "dial", "EINVAL"],
    ["tcp://::1:5555", "dial", "EINVAL"],
    ["tcp://*:5555", "dial", "EINVAL"],
    ["tcp://127.0.0.1:0", "dial", "EINVAL"],
    ["tcp://127.0.0.1:*", "dial", "EINVAL"],
    ["tcp://not an address:0;127.0.0.1:5555", "dial", "EINVAL"],
    ["tcp://127.0.0.1:x;127.0.0.1:5555", "dial", "EINVAL"],
  ],
})
