import { HeddleError } from "../../core/errors.ts"
import { type KafkaError, PoisonError } from "../errors.ts"

/** One record cannot be mapped; the next may. */
export function unmappable(text: string, cause?: unknown): KafkaError {
  return new PoisonError("MAPPING", text, { cause })
}

/** A person has to change the configuration. */
export function badMapping(text: string): HeddleError {
  return new HeddleError("ERR_CONFIG", text)
}
