import { nativeForSockets } from "../native/for-sockets.ts"
import { NativePort } from "./native-port.ts"
import { NodePort } from "./node-port.ts"
import type { OpenPort } from "./port.ts"

/** On Bun 1.4 datagrams came out of order in batches: it seems to take several before it hands out the first. */
const REORDERS = process.versions.bun !== undefined

/** In batches where the native addon is, by Node's dgram elsewhere. */
export const openPort: OpenPort = options => {
  const native = REORDERS ? null : nativeForSockets()
  return native === null ? NodePort.open(options) : NativePort.open(native, options)
}
