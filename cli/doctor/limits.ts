import fs from "node:fs"
import os from "node:os"
import { whole } from "../units.ts"
import { check } from "./check.ts"
import { type Finding, fail, ok, warn } from "./finding.ts"
import { systemNumber, systemText } from "./system-file.ts"

export interface LimitFacts {
  /** File descriptors of a process; Infinity = no limit, null = not known. */
  openFiles: number | null
  /** Of this user; null where there is no inotify. */
  watchInstances: number | null
  /** The code of the error when a folder was watched; null = it works. */
  watchFailure: string | null
}

export const limits = check<LimitFacts>({
  name: "limits",
  about: "file descriptors, watched folders",
  read: () => ({
    openFiles: openFiles(),
    watchInstances: systemNumber("/proc/sys/fs/inotify/max_user_instances"),
    watchFailure: watchFailure(),
  }),
  judge: judgeLimits,
})

/** The hard limit: Node raises the soft one to it when it starts. */
function openFiles(): number | null {
  const line = /^Max open files\s+\S+\s+(\S+)/m.exec(systemText("/proc/self/limits") ?? "")
  if (line === null) return null
  return line[1] === "unlimited" ? Number.POSITIVE_INFINITY : Number(line[1])
}

function watchFailure(): string | null {
  try {
    fs.watch(os.tmpdir(), { persistent: false }).close()
    return null
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown"
  }
}

/** A node takes 1,024 peers (maxPeers), each with a connection and, over ipc://, two descriptors of shared memory for a moment. */
const ENOUGH_FILES = 4_096
/** Node itself has some twenty open; a mesh of a few dozen still fits. */
const LEAST_FILES = 256
/** Linux's own default: one for each process that watches the folder of its fabric. */
const ENOUGH_INSTANCES = 128

export function judgeLimits(facts: LimitFacts): Finding[] {
  const findings: Finding[] = []
  const { openFiles: files } = facts
  if (files !== null) {
    const value = files === Number.POSITIVE_INFINITY ? "no limit" : whole(files)
    const advice = [
      "A node takes up to 1,024 peers (maxPeers), each with descriptors of its own; at the limit connections fail (EMFILE).",
      "$ ulimit -n 65536          (in the shell that starts the program; a service: LimitNOFILE=65536)",
    ]
    const make = files < LEAST_FILES ? fail : warn
    findings.push(files < ENOUGH_FILES ? make("open files", value, ...advice) : ok("open files", value))
  }
  const raise = "$ sysctl -w fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=65536"
  if (facts.watchFailure !== null) {
    const why = "Nodes on this machine find one another by looking at their folder each 5 s instead of at once."
    findings.push(warn("watched folders", `refused (${facts.watchFailure})`, why, raise))
  } else if (facts.watchInstances !== null && facts.watchInstances < ENOUGH_INSTANCES) {
    const why = "Each process of a fabric takes one, editors and builds many; without one it finds others after 5 s."
    findings.push(warn("watched folders", `${whole(facts.watchInstances)} for this user`, why, raise))
  } else {
    const most = facts.watchInstances === null ? "" : `, ${whole(facts.watchInstances)} for this user`
    findings.push(ok("watched folders", `works${most}`))
  }
  return findings
}
