import { Command, type CommanderError } from "commander"
import { version } from "heddle"
import { COMMANDS } from "./commands/index.ts"
import { EXIT } from "./exit.ts"

/** The whole command line. Commands run when it is parsed; what commander throws is for `exitCodeOfParse`. */
export function makeProgram(): Command {
  const program = new Command("heddle")
    .description("Send and receive messages from the shell: ZeroMQ-compatible sockets and fabrics, without a broker.")
    .version(version)
    .configureHelp({ helpWidth: process.stdout.columns ?? 100 })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "heddle: ")) })
    // What follows the name of a command is for that one: bridge and its commands have options of the same names.
    .enablePositionalOptions()
    .showHelpAfterError("(heddle --help lists the commands, heddle COMMAND --help their options)")
    .exitOverride()
    .addHelpText(
      "after",
      `
Sockets or a fabric: pub, sub, push and req talk to the sockets at --bind and --connect, or, with --fabric NAME, by
subject to the processes that have joined this fabric; serve, work, peers, top, trace and bridge are for fabrics.

Endpoints: tcp://host:port, tcp://*:5555 (bind on all interfaces), ipc:///path, ipc://@abstract

Exit codes: 0 done; 1 something failed; 2 the command line is wrong.
  Ctrl-C and SIGTERM end a command in order: what it has is sent or printed. A second one ends it at once.
  sub, pull, rep, proxy, serve, work, top and bridge have no end of their own, so that this is 0. A job that was not done by then
  (input left, --count not reached, a benchmark) gives 130 or 143.
  When the reader of stdout leaves (heddle sub ... | head -1), the command ends with 0.

HEDDLE_DEBUG=1 prints errors with their stack.`,
    )
  for (const add of COMMANDS) add(program)
  for (const command of program.commands) answerVersion(command)
  return program
}

/** Positional options are of their command alone: each is asked for the version by itself. Not in its help, where --help is enough. */
function answerVersion(command: Command): void {
  command.version(version)
  for (const option of command.options) if (option.attributeName() === "version") option.hidden = true
  for (const one of command.commands) answerVersion(one)
}

/** Asked for help or version is no error; everything else that commander refuses is. */
export function exitCodeOfParse(error: CommanderError): number {
  return error.exitCode === 0 ? EXIT.ok : EXIT.usage
}
