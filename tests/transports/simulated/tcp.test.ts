import { SimulatedNetwork } from "../../../transports/simulated/network.ts"
import { RealClock } from "../../../transports/simulated/real-clock.ts"
import { SimulatedTcpTransport } from "../../../transports/simulated/stream-transport.ts"
import { transportConformance } from "../../conformance/transport.ts"

let port = 5000

transportConformance(
  "tcp in a simulated network",
  () => {
    const network = new SimulatedNetwork({ clock: new RealClock(), seed: 1, conditions: { split: 0.1, delay: [0, 1] } })
    return new SimulatedTcpTransport(network.host("here"))
  },
  {
    any: () => "tcp://127.0.0.1:*",
    definite: () => `tcp://127.0.0.1:${port++}`,
    refused: "ECONNREFUSED",
    bytes: true,
    invalid: [
      ["tcp://nowhere", "dial", "EINVAL"],
      ["tcp://127.0.0.1:", "dial", "EINVAL"],
      ["tcp://:5555", "listen", "EINVAL"],
      ["tcp://127.0.0.1:http", "dial", "EINVAL"],
      ["tcp://127.0.0.1:65536", "listen", "EINVAL"],
      ["tcp://::1:5555", "dial", "EINVAL"],
      ["tcp://*:5555", "dial", "EINVAL"],
      ["tcp://127.0.0.1:0", "dial", "EINVAL"],
    ],
  },
)
