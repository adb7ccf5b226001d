import { addon } from "./addon.ts"
import { buffers } from "./buffers.ts"
import type { AnyCheck } from "./check.ts"
import { folder } from "./folder.ts"
import { limits } from "./limits.ts"
import { loopback } from "./loopback.ts"
import { machine } from "./machine.ts"
import { multicast } from "./multicast.ts"
import { packages } from "./packages.ts"
import { sharedMemory } from "./shared-memory.ts"
import { versions } from "./versions.ts"

/** In the order in which they are made and shown. */
export const CHECKS: readonly AnyCheck[] = [
  versions,
  addon,
  machine,
  limits,
  sharedMemory,
  folder,
  loopback,
  buffers,
  multicast,
  packages,
]
