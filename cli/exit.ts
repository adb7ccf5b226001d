/**
 * Exit codes: 0 done, 1 something went wrong, 2 the command line is wrong. A signal that ends a job before it is done
 * gives 128 + its number (130 for Ctrl-C, 143 for SIGTERM), as shells do.
 */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const

/** What went wrong, in words for the person at the terminal: printed as it is, without a stack. */
export class CommandError extends Error {
  override readonly name: string = "CommandError"
}

/** The command line asks for something that cannot be meant. */
export class UsageError extends CommandError {
  override readonly name = "UsageError"
}

export function exitCodeOf(error: unknown): number {
  return error instanceof UsageError ? EXIT.usage : EXIT.failed
}

/** One line for stderr; the whole stack with HEDDLE_DEBUG=1. */
export function describe(error: unknown): string {
  if (process.env.HEDDLE_DEBUG === "1" && error instanceof Error) return error.stack ?? error.message
  if (error instanceof CommandError) return error.message
  if (error instanceof Error && "code" in error) return `${error.code}: ${error.message}`
  return `unexpected error: ${error instanceof Error ? error.message : String(error)} (HEDDLE_DEBUG=1 shows where)`
}
