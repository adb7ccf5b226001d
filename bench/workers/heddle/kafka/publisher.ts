import { setTimeout as sleep } from "node:timers/promises"
import { durable } from "../../../../bridge-kafka/durable.ts"
import { type Fabric, join, seeds } from "../../../../index.ts"
import { BRIDGE, subjectOf } from "../../../kafka/settings.ts"
import { percentile } from "../../../stats.ts"
import type { Arguments } from "../../../task.ts"
import { ControlListener } from "../../control.ts"
import type { Parent } from "../../parent.ts"
import { publishPaced } from "../../publishing.ts"

async function enter(task: Arguments): Promise<Fabric> {
  const fabric = await join("bench", { listen: "tcp://127.0.0.1:0", discovery: [seeds([task.text("endpoint")])] })
  await fabric.ready({ subject: subjectOf(0), subscribers: 1 })
  return fabric
}

/** Publishes as fast as the bridge stores, `window` ahead at most. */
export async function publisher(task: Arguments, parent: Parent): Promise<void> {
  const control = await ControlListener.listen(task.text("control"))
  parent.ready(null)
  const fabric = await enter(task)
  const payload = Buffer.alloc(task.number("size"), "x")
  const total = task.number("warm") + task.number("count")
  const publish = (index: number): undefined => {
    fabric.publish(subjectOf(index), payload)
  }
  // The first words of the bridge come when something is stored.
  control.heard = 0
  const whole = await publishPaced(publish, 0, total, task.number("window"), control)
  parent.result({ whole: whole ? 1 : 0 })
  await parent.gone
}

/** Milliseconds between two bursts. */
const TICK = 10

/** Publishes so many a second, whatever becomes of them, until the parent says stop; each has its number. */
export async function load(task: Arguments, parent: Parent): Promise<void> {
  const fabric = await enter(task)
  const rate = task.number("rate")
  const size = task.number("size")
  let stopped = false
  let sent = 0
  parent.onLine(() => {
    stopped = true
  })
  parent.ready(null)
  const began = performance.now()
  while (!stopped) {
    const due = ((performance.now() - began) / 1000) * rate
    for (; sent < due; sent++) {
      const payload = Buffer.alloc(size)
      payload.writeDoubleLE(sent)
      fabric.publish(subjectOf(sent), payload)
    }
    await sleep(TICK)
  }
  await fabric.flush()
  parent.result({ sent })
  await parent.gone
}

/** durablePublish with so many without an answer; each is timed by itself. */
export async function durably(task: Arguments, parent: Parent): Promise<void> {
  const fabric = await enter(task)
  const out = durable(fabric, BRIDGE, { ack: task.text("way") === "spooled" ? "spooled" : "stored" })
  const payload = Buffer.alloc(task.number("size"), "x")
  parent.result(await timeAll(task, index => out.publish(subjectOf(index), payload)))
  await parent.gone
}

/** Keeps `outstanding` calls open until `count` are done after `warm`. Microseconds. */
export async function timeAll(
  task: Arguments,
  call: (index: number) => Promise<unknown>,
): Promise<{ seconds: number; count: number; p50: number; p99: number }> {
  const warm = task.number("warm")
  const count = task.number("count")
  const took = new Float64Array(count)
  let next = 0
  let done = 0
  let began = 0
  let ended = 0
  const worker = async (): Promise<void> => {
    while (next < warm + count) {
      const index = next++
      const before = performance.now()
      await call(index)
      const now = performance.now()
      if (++done === warm) began = now
      ended = now
      if (index >= warm) took[index - warm] = (now - before) * 1000
    }
  }
  await Promise.all(Array.from({ length: task.number("outstanding") }, worker))
  took.sort()
  return { seconds: (ended - began) / 1000, count, p50: percentile(took, 50), p99: percentile(took, 99) }
}
