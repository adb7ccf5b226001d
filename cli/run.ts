import { Ending } from "./ending.ts"
import { describe, EXIT, exitCodeOf } from "./exit.ts"
import type { SharedOptions } from "./options.ts"
import { Progress } from "./progress.ts"

/** What a job has at hand besides its own options. */
export interface Run {
  readonly name: string
  readonly options: SharedOptions
  readonly ending: Ending
  readonly progress: Progress
  /** A line on stderr that is worth reading; not with --quiet. */
  warn(text: string): void
}

/** Does the command's work. True = done as asked; false = it was ended before. */
export type Job = (run: Run) => Promise<boolean>

export interface RunSettings {
  /** The command: pub, sub... */
  name: string
  options: SharedOptions
  /** False: no progress line, because messages are typed on this terminal, or the command prints as it goes. */
  progress?: boolean
  /** False: SIGHUP does not end the command, which has another use for it. */
  hangup?: boolean
}

/** Runs the job and ends the process with the exit code that fits. Nothing is thrown. */
export async function run({ name, options, progress = true, hangup = true }: RunSettings, job: Job): Promise<never> {
  const title = `heddle ${name}`
  const ending = new Ending()
  const line = new Progress({
    title,
    terminal: process.stderr,
    silent: options.quiet === true || !progress,
    sharesTerminal: process.stdout.isTTY === true,
  })
  // A closed stderr must not hurt the job, a closed stdout ends it. Other failures of stdout are for who writes.
  process.stderr.on("error", () => {})
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") ending.readerGone()
  })
  ending.listenForSignals({ hangup })
  line.start()
  let code: number
  let failure: string | null = null
  try {
    const done = await job({
      name,
      options,
      ending,
      progress: line,
      warn: text => !options.quiet && line.say(`${title}: ${text}`),
    })
    code = done ? EXIT.ok : ending.code
  } catch (error) {
    code = exitCodeOf(error)
    failure = describe(error)
  }
  await written(process.stdout)
  line.stop()
  if (failure !== null) line.say(`${title}: ${failure}`)
  process.exit(code)
}

/** `process.exit` would throw away what a pipe has not taken yet. */
async function written(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.destroyed || stream.writableLength === 0) return
  await new Promise<void>(resolve => stream.write("", () => resolve()))
}
