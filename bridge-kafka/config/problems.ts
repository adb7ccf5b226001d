import { HeddleError } from "../../core/errors.ts"

/** A mistake in each of thousands of settings would bury the first ones. */
const MOST = 50

/** All mistakes of a configuration: people want to mend them in one go. */
export class Problems {
  private readonly list: string[] = []

  /** `path` as in JavaScript: connectors[1].config.errors.tolerance. Never put the value of a secret into `text`. */
  add(path: string, text: string): void {
    this.list.push(path === "" ? text : `${path}: ${text}`)
  }

  get count(): number {
    return this.list.length
  }

  /** Throws ERR_CONFIG with all of them, one a line. `what` was read: a file's name; `conceal` takes secrets out. */
  throwIfAny(what: string, conceal: (text: string) => string): void {
    if (this.list.length === 0) return
    const shown = this.list.slice(0, MOST)
    if (shown.length < this.list.length) shown.push(`and ${this.list.length - shown.length} more`)
    const many = this.list.length === 1 ? "1 mistake" : `${this.list.length} mistakes`
    throw new HeddleError("ERR_CONFIG", `${many} in ${what}:\n${shown.map(line => `  ${conceal(line)}`).join("\n")}`)
  }
}
