import os from "node:os"
import { bytes } from "../units.ts"
import { check } from "./check.ts"
import { type Finding, ok, warn } from "./finding.ts"
import { systemText } from "./system-file.ts"

export interface MachineFacts {
  cpus: number
  /** Processors that the container may use, a fraction; null = no limit. */
  cpuLimit: number | null
  memory: number
  /** Bytes of the container; null = no limit. */
  memoryLimit: number | null
  /** Milliseconds of the smallest step that the clock makes. */
  clockStep: number
  /** Linux's name of it; null elsewhere. */
  clockSource: string | null
}

export const machine = check<MachineFacts>({
  name: "machine",
  about: "processors, memory, the clock",
  read: () => ({
    cpus: os.availableParallelism(),
    cpuLimit: cpuLimit(),
    memory: os.totalmem(),
    memoryLimit: memoryLimit(),
    clockStep: clockStep(),
    clockSource: systemText("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
  }),
  judge: judgeMachine,
})

/** Of cgroup 2: "200000 100000" = two processors; "max" = no limit. Of cgroup 1: -1 = no limit. */
function cpuLimit(): number | null {
  const [quota, period] =
    systemText("/sys/fs/cgroup/cpu.max")?.split(" ") ??
    ["quota", "period"].map(name => systemText(`/sys/fs/cgroup/cpu/cpu.cfs_${name}_us`) ?? "")
  const share = Number(quota) / Number(period)
  return share > 0 && Number.isFinite(share) ? share : null
}

/** "No limit" of cgroup 1 is a number beyond all memory. */
function memoryLimit(): number | null {
  const text =
    systemText("/sys/fs/cgroup/memory.max") ?? systemText("/sys/fs/cgroup/memory/memory.limit_in_bytes") ?? "max"
  const limit = Number(text)
  return limit < os.totalmem() ? limit : null
}

/** Readings until the clock has made so many steps tell the smallest. */
const STEPS = 20

function clockStep(): number {
  let smallest = Number.POSITIVE_INFINITY
  let last = performance.now()
  const end = last + 200
  for (let steps = 0; steps < STEPS && last < end; ) {
    const now = performance.now()
    if (now === last) continue
    smallest = Math.min(smallest, now - last)
    last = now
    steps++
  }
  return smallest
}

/** Sources that take a trip into the hypervisor, or to a chip, for each reading. */
const SLOW_CLOCKS = new Set(["hpet", "acpi_pm", "xen", "jiffies", "refined-jiffies"])
/** Milliseconds: timers have this step, a clock that is coarser makes them useless. */
const COARSE = 1
/** Bytes: a node with its default queues and shared memory fits with room to spare. */
const LITTLE_MEMORY = 256 * 1024 * 1024

export function judgeMachine(facts: MachineFacts): Finding[] {
  const findings: Finding[] = []
  const { cpus, cpuLimit: limit } = facts
  const processors = limit === null || limit >= cpus ? `${cpus}` : `${cpus}, limited to ${Number(limit.toFixed(2))}`
  findings.push(
    Math.min(cpus, limit ?? cpus) < 1
      ? warn(
          "processors",
          processors,
          "The container is halted for parts of each 100 ms: latencies of that size. Give it a whole processor.",
        )
      : ok("processors", processors),
  )
  const room = facts.memoryLimit ?? facts.memory
  const memory = facts.memoryLimit === null ? bytes(room) : `${bytes(room)} (limit of the container)`
  findings.push(
    room < LITTLE_MEMORY
      ? warn(
          "memory",
          memory,
          "Queues count messages, not bytes: lower sendHighWaterMark and receiveHighWaterMark, or maxMessageSize.",
        )
      : ok("memory", memory),
  )
  const source = facts.clockSource === null ? "" : `${facts.clockSource}, `
  const clock = `${source}steps of ${(facts.clockStep * 1000).toFixed(facts.clockStep < 0.01 ? 2 : 0)} us`
  if (facts.clockSource !== null && SLOW_CLOCKS.has(facts.clockSource)) {
    const path = "/sys/devices/system/clocksource/clocksource0"
    const advice = ["Each look at this clock costs a microsecond or more. Take tsc if the machine offers it:"]
    findings.push(
      warn(
        "clock",
        clock,
        ...advice,
        `$ cat ${path}/available_clocksource`,
        `$ echo tsc > ${path}/current_clocksource`,
      ),
    )
  } else if (facts.clockStep >= COARSE) {
    findings.push(warn("clock", clock, "Timeouts and rates below some milliseconds are not kept."))
  } else {
    findings.push(ok("clock", clock))
  }
  return findings
}
