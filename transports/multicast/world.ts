import type { Native } from "../native/addon.ts"
import type { OpenPort } from "../udp/port.ts"
import type { Clock } from "./clock.ts"

/** Where a transport gets ports, time and chance from. */
export interface World {
  readonly open: OpenPort
  readonly clock: Clock
  readonly random: () => number
  /** For memory that members on the same machine share; null = there is none. */
  readonly native: Native | null
  /** Whether an address is one of this machine. Absent = the operating system says. */
  readonly isOurs?: (host: string) => boolean
}
