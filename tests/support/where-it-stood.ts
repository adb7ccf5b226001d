import { later } from "./cleanup.ts"
import { awaited } from "./wait.ts"

/** What a test that hangs cannot say itself: mocha gives it up from outside, and the reporter asks here. */
const tellers = new Set<() => unknown>()

/** `tell`: the state of something that a test waits for. Asked when the test fails, until what `later` was given is closed. */
export function tells(tell: () => unknown): void {
  tellers.add(tell)
  later(() => tellers.delete(tell))
}

/** Conditions that nobody has met, and what the test's parts say of themselves; a line each. */
export function whereItStood(): string {
  const lines = awaited().map(condition => `    waits until ${condition}`)
  for (const tell of tellers) {
    try {
      lines.push(`    ${JSON.stringify(tell())}`)
    } catch (error) {
      lines.push(`    (cannot be told: ${error})`)
    }
  }
  return lines.join("\n")
}
