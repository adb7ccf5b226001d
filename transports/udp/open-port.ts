import { nativeForSockets } from "../native/for-sockets.ts"
import { NativePort } from "./native-port.ts"
import { NodePort } from "./node-port.ts"
import type { OpenPort } from "./port.ts"

/** In batches where the native addon is, by Node's dgram elsewhere. */
export const openPort: OpenPort = options => {
  const native = nativeForSockets()
  return native === null ? NodePort.open(options) : NativePort.open(native, options)
}
