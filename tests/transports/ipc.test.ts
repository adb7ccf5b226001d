import { IpcTransport } from "../../transports/ipc.ts"
import { transportConformance } from "../conformance/transport.ts"
import { freeIpc } from "../support/addresses.ts"

transportConformance("ipc", () => new IpcTransport(), {
  any: () => "ipc://*",
  definite: freeIpc,
  refused: "ENOENT",
  bytes: true,
  invalid: [
    ["ipc://*", "dial", "EINVAL"],
    [`ipc:///tmp/${"x".repeat(108)}`, "listen", "ENAMETOOLONG"],
    [`ipc:///tmp/${"x".repeat(108)}`, "dial", "ENAMETOOLONG"],
    [`ipc:///tmp/${"ü".repeat(60)}`, "listen", "ENAMETOOLONG"],
  ],
})
