import { InprocTransport } from "../../transports/inproc/index.ts"
import { transportConformance } from "./transport.ts"

let names = 0
const name = (): string => `inproc://conformance ${names++}`

transportConformance("inproc", () => new InprocTransport(), {
  any: name,
  definite: name,
  refused: null,
  bytes: false,
  invalid: [[`inproc://${"n".repeat(257)}`, "listen", "ENAMETOOLONG"]],
})
