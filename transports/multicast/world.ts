import type { OpenPort } from "../udp/port.ts"
import type { Clock } from "./clock.ts"

/** Where a transport gets ports, time and chance from. */
export interface World {
  readonly open: OpenPort
  readonly clock: Clock
  readonly random: () => number
}
