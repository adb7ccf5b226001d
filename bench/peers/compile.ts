import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { cache, root } from "../paths.ts"

const run = promisify(execFile)
const sources = join(root, "bench", "c")
const FLAGS = ["-O2", "-Wall", "-pthread"]

/**
 * Compiles the files of bench/c whose names pass `mine` into one program and answers its path; what was compiled from
 * the same text before is used again. Rejects with what the reader can do about it.
 */
export async function compile(name: string, mine: (file: string) => boolean, libraries: string[]): Promise<string> {
  const files = readdirSync(sources).filter(mine).sort()
  const hash = createHash("sha256").update(JSON.stringify([FLAGS, libraries]))
  for (const file of files) hash.update(file).update(readFileSync(join(sources, file)))
  const program = join(cache, `${name}-${process.arch}-${hash.digest("hex").slice(0, 16)}`)
  if (existsSync(program)) return program
  mkdirSync(cache, { recursive: true })
  const fresh = `${program}.${process.pid}`
  const code = files.filter(file => file.endsWith(".c"))
  try {
    await run("gcc", [...FLAGS, "-o", fresh, ...code, ...libraries.map(library => `-l${library}`)], { cwd: sources })
  } catch (error) {
    const { code: errno, stderr } = error as NodeJS.ErrnoException & { stderr?: string }
    if (errno === "ENOENT") throw new Error("gcc is not installed (Debian: apt install gcc)", { cause: error })
    const line = stderr?.split("\n").find(text => /error:|cannot find/.test(text)) ?? String(error)
    throw new Error(`does not compile: ${line.trim()}`, { cause: error })
  }
  // Renamed into place, so that two runs at once never see half a program.
  renameSync(fresh, program)
  return program
}

/** Common to all programs: everything that is not named after a peer. */
export function isShared(file: string): boolean {
  return !/^(raw|libzmq|web)/.test(file)
}
