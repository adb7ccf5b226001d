import { settings } from "../../support/pattern.ts"

/** Option values that the four patterns read, with their defaults. */
export function options<T extends object>(changes: T) {
  return settings({
    correlate: false,
    relaxed: false,
    probeRouter: false,
    mandatory: false,
    handover: false,
    routerNotify: null,
    helloMessage: null,
    disconnectMessage: null,
    hiccupMessage: null,
    ...changes,
  })
}
