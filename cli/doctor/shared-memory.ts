import fs from "node:fs"
import { bytes } from "../units.ts"
import { check } from "./check.ts"
import { type Finding, ok, warn } from "./finding.ts"
import { systemText } from "./system-file.ts"

export interface SharedMemoryFacts {
  platform: string
  /** Free bytes of /dev/shm; null = there is none. */
  free: number | null
  /** Whether processes of one user see the descriptors of each other (/proc/PID/fd); null = no /proc. */
  visible: boolean | null
  /** Linux's wish that memory of memfd_create is not shared (vm.memfd_noexec = 2 refuses it as we ask for it); null = no such setting. */
  memfd: number | null
}

export const sharedMemory = check<SharedMemoryFacts>({
  name: "memory",
  about: "memory that processes share",
  read: () => ({
    platform: process.platform,
    free: freeBytes("/dev/shm"),
    visible: fs.existsSync("/proc/self/fd") ? parentIsVisible() : null,
    memfd: memfdRule(),
  }),
  judge: judgeSharedMemory,
})

function freeBytes(folder: string): number | null {
  try {
    const { bavail, bsize } = fs.statfsSync(folder)
    return bavail * bsize
  } catch {
    return null
  }
}

/** Of the shell that started us, which is the same user's nearly always. */
function parentIsVisible(): boolean {
  const pid = process.ppid
  try {
    if (fs.statSync(`/proc/${pid}`).uid !== process.getuid?.()) return true
    fs.readdirSync(`/proc/${pid}/fd`)
    return true
  } catch {
    return false
  }
}

function memfdRule(): number | null {
  const text = systemText("/proc/sys/vm/memfd_noexec")
  return text === null ? null : Number(text)
}

export function judgeSharedMemory({ platform, free, visible, memfd }: SharedMemoryFacts): Finding[] {
  if (platform !== "linux") return [ok("shared memory", `none on ${platform}: ipc:// is a socket`)]
  const findings: Finding[] = []
  const plain = "ipc:// works as a plain socket, at a part of the rate."
  if (memfd === 2)
    findings.push(warn("memfd", "vm.memfd_noexec = 2 forbids it", plain, "$ sysctl -w vm.memfd_noexec=1"))
  else if (visible === false)
    findings.push(
      warn(
        "memfd",
        "other processes of this user are hidden in /proc",
        plain,
        "/proc is mounted with hidepid, or this is a container whose processes see each other not; mount it with hidepid=0.",
      ),
    )
  else findings.push(ok("memfd", "allowed"))
  findings.push(
    ok("/dev/shm", `${free === null ? "not there" : `${bytes(free)} free`}; Heddle needs none of it (memfd)`),
  )
  return findings
}
