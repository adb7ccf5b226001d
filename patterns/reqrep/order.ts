import { HeddleError } from "../../core/errors.ts"

/** EFSM: a request or reply out of turn, in the words that users of the npm package `zeromq` know. */
export function outOfOrder(what: string): HeddleError {
  return new HeddleError("EFSM", `Operation cannot be accomplished in current state: ${what}`)
}
