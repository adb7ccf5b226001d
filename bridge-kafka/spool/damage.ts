import { HeddleError } from "../../core/errors.ts"

/** What is on the disk is not what was written (SPOOL-2). Names file and offset, for the person who has to look. */
export function damaged(file: string, offset: number, what: string, cause?: unknown): HeddleError {
  return new HeddleError(
    "ERR_SPOOL",
    `The spool file ${file} is damaged at byte ${offset}: ${what}. Nothing was skipped or changed: ` +
      "restore the file, or move the folder away to begin with an empty spool (its unsent records are lost then)",
    { cause, fatal: true },
  )
}
