import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { root } from "../paths.ts"
import type { Contestant } from "../peers/peer.ts"
import { type Settings, WATCHDOG } from "../settings.ts"
import { type Metric, type Sample, type Scenario, type Session, session } from "./scenario.ts"

const IMPORT: Metric = { name: "import", unit: "ms", better: "lower", plotted: true }
const PROCESS: Metric = { name: "process", unit: "ms", better: "lower", plotted: false }

const run = promisify(execFile)

/** The time of `import()` in a fresh process, and how much longer that process takes than one that imports nothing. */
export class StartupScenario implements Scenario {
  readonly name = "startup"
  readonly about = "import in a fresh Node process (files in the system's cache), and that process beside a bare one"
  readonly sizeUnit = "imports"
  readonly metrics = [IMPORT, PROCESS]

  sizes(): readonly number[] {
    return [1]
  }

  rounds(settings: Settings): number {
    return settings.quick ? 7 : 20 // One takes a tenth of a second.
  }

  async open(who: Contestant): Promise<Session> {
    const { module } = who.peer
    if (module === null) throw new Error("not a module of Node")
    const measured = `const t = performance.now(); await import(${JSON.stringify(module)}); console.log(performance.now() - t); process.exit()`
    const bare = "process.exit()"
    await start(measured) // Files come into the system's cache.
    return session(async () => {
      const without = await start(bare)
      const withIt = await start(measured)
      const sample: Sample = { import: Number(withIt.output), process: withIt.took - without.took }
      if (!(sample.import > 0)) throw new Error(`no figure but ${withIt.output}`)
      return sample
    })
  }
}

/** Runs a module text to its end; milliseconds from outside. */
async function start(text: string): Promise<{ took: number; output: string }> {
  const before = performance.now()
  const args = ["--input-type=module", "-e", text]
  const { stdout } = await run(process.execPath, args, { cwd: root, timeout: WATCHDOG, killSignal: "SIGKILL" })
  return { took: performance.now() - before, output: stdout.trim() }
}
