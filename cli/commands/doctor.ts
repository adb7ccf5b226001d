import type { Command } from "commander"
import type { DoctorFlags } from "../doctor/examine.ts"
import { withShared } from "../options.ts"
import { run } from "../run.ts"

export function addDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .description(
      "Say what of Heddle works here, and what to do about the rest: versions, limits, folders, multicast...",
    )
    .option("--only <names>", "these checks alone, separated by commas", (text: string) =>
      text.split(",").map(name => name.trim()),
    )
    .option("--json", "one line of JSON: {heddle, level, findings: [{check, name, level, value, advice}]}")
  withShared(command)
    .addHelpText(
      "after",
      `
Checks: versions, addon, machine, limits, memory, folder, loopback, buffers, multicast, packages.
Nothing is changed. It sends datagrams to random groups with a hop limit of 1, and joins a fabric of its own.
warn: some programs will miss something; fail: something does not work at all.

Exit codes: 0 nothing fails, with warnings too; 1 something fails; 2 the command line is wrong.

Examples:
  heddle doctor
  heddle doctor --only multicast,limits
  heddle doctor --json | jq '.findings[] | select(.level != "ok")'`,
    )
    .action((flags: DoctorFlags) =>
      run({ name: "doctor", options: flags, progress: false }, async job =>
        // It loads what nobody else needs.
        (await import("../doctor/examine.ts")).examine(flags, job),
      ),
    )
}
