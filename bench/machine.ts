import { execFileSync } from "node:child_process"
import { arch, cpus, loadavg, platform, release, totalmem } from "node:os"
import { root } from "./paths.ts"

/** Where figures were measured: they mean little elsewhere. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  /** Bytes. */
  readonly memory: number
  readonly system: string
  /** Load average of the minute before the run: above a fraction of `cores`, others were at work too. */
  readonly load: number
}

export function machine(): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memory: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
    load: Number(loadavg()[0].toFixed(2)),
  }
}

/** The commit that is checked out, with `-dirty` when files differ from it; null outside a repository with commits. */
export function commit(): string | null {
  try {
    const args = ["describe", "--always", "--dirty", "--abbrev=12"]
    return execFileSync("git", args, { cwd: root, stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim()
  } catch {
    return null
  }
}
