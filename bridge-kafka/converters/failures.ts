import { HeddleError } from "../../core/errors.ts"
import { KafkaError, PoisonError, type Stage } from "../errors.ts"

/** One record is at fault; the next may pass. */
export function poison(text: string, cause?: unknown): KafkaError {
  return new KafkaError("poison", text, { cause })
}

/** Nothing was decided: ask again later. */
export function retriable(text: string, cause?: unknown): KafkaError {
  return new KafkaError("retriable", text, { cause })
}

/** A person has to change something. */
export function fatal(text: string, cause?: unknown): KafkaError {
  return new KafkaError("fatal", text, { cause })
}

export function wrongSetting(text: string): HeddleError {
  return new HeddleError("ERR_CONFIG", text)
}

/** The words of a library's error, bounded: they end in headers of dead letters. */
export function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.length > 500 ? `${text.slice(0, 500)}...` : text
}

/** A KafkaError as it is, all else that was thrown while a record was converted as poison. */
export function asPoison(what: string, error: unknown): KafkaError {
  return error instanceof KafkaError ? error : poison(`${what}: ${wordsOf(error)}`, error)
}

/** Poison says at which stage, and by whom, it was found; what is none stays what it is. */
export function poisonAt(stage: Stage, error: unknown, by: { readonly name: string } | null): unknown {
  if (error instanceof PoisonError || (error instanceof KafkaError && error.kind !== "poison")) return error
  return new PoisonError(stage, wordsOf(error), { cause: error, className: by?.name })
}

/** For a library that is an optional peer. */
export async function loadPackage<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    throw new HeddleError(
      "ERR_MISSING_PACKAGE",
      `This converter needs the package "${name}", which cannot be loaded (${wordsOf(error)}): npm install ${name}`,
      { cause: error },
    )
  }
}
