import type { Command } from "commander"
import { withFabric } from "../fabric/options.ts"
import { type WorkFlags, work } from "../fabric/tasks.ts"
import { withMaxSize, withShared } from "../options.ts"
import { run } from "../run.ts"
import { wholeFrom } from "../values.ts"

export function addWork(program: Command): void {
  const command = program
    .command("work")
    .description("Do tasks of a fabric: print them as lines, or run a command for each.")
    .argument("<subject>", "tasks to take; * is any one token, > the rest")
    .option("--exec <cmd>", "run this in a shell for each task: task on stdin; what it prints is printed")
    .option("--exec-timeout <ms>", "end a command that takes longer", wholeFrom(1))
    .option("--concurrency <n>", "tasks at a time", wholeFrom(1), 1)
    .option("-n, --count <n>", "stop after n tasks", wholeFrom(1, 2 ** 53))
    .option("-t, --timeout <ms>", "end when no task has come for so long (an error with --count)", wholeFrom(1))
    .option("--headers", "print the headers too, as JSON pairs")
    .option("--no-subject", "print payloads only")
    .option("--json", "print {subject, from, data}; a command gets the payload as JSON")
  withFabric(withShared(withMaxSize(command)), "required")
    .addHelpText(
      "after",
      `
A task is acknowledged when its command has succeeded, or when it is printed. When the command fails or this process
dies, the task goes to another worker: it may be done twice, it is not lost. A command gets the payload as a line, and
$HEDDLE_SUBJECT, $HEDDLE_FROM and $HEDDLE_HEADERS.

Examples:
  heddle work --fabric shop jobs.resize --exec 'xargs -I% convert % -resize 50% small/%' --concurrency 4
  heddle work --fabric shop 'jobs.>' --json | jq .data`,
    )
    .action((subject: string, flags: WorkFlags) =>
      run({ name: "work", options: flags }, job => work(subject, flags, job)),
    )
}
