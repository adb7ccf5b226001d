import Mocha from "mocha"
import { whereItStood } from "./where-it-stood.ts"

/** Mocha's dots, where a test stood that failed, and at the end one line that tools can read. */
export default class SummaryReporter extends Mocha.reporters.Dot {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options)
    runner.on("fail", test => {
      const stood = whereItStood()
      if (stood !== "") process.stdout.write(`\n  where it stood: ${test.fullTitle()}\n${stood}\n`)
    })
    runner.once("end", () => {
      const { passes = 0, failures = 0, pending = 0 } = runner.stats ?? {}
      process.stdout.write(`\n${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ""}\n`)
    })
  }
}
