import type { HeddleError } from "../../../core/errors.ts"

/** Passes on a warning once for as long as the trouble lasts: what is retried each second is not to be told each second. */
export class Warnings {
  private readonly warn: (error: HeddleError) => void
  private last = ""

  constructor(warn: (error: HeddleError) => void) {
    this.warn = warn
  }

  trouble(error: HeddleError): void {
    const text = `${error.code} ${error.message}`
    if (text === this.last) return
    this.last = text
    this.warn(error)
  }

  /** It works again: the next trouble is news. */
  settled(): void {
    this.last = ""
  }
}
