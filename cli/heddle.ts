#!/usr/bin/env node
import { CommanderError } from "commander"
import { exitCodeOfParse, makeProgram } from "./program.ts"

try {
  await makeProgram().parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = exitCodeOfParse(error)
}
