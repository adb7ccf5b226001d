import { Pull, Push } from "heddle"
import type { Arguments } from "../../task.ts"
import { StreamMeter } from "../meters.ts"
import type { Parent } from "../parent.ts"
import { linkOptions } from "./link-options.ts"
import { startThread } from "./thread.ts"

/** The fast way: no promise but where there is no room. */
async function sendFast(push: Push, payload: Buffer, total: number): Promise<void> {
  for (let i = 0; i < total; i++) if (!push.trySend(payload)) await push.send(payload)
}

/** The way of the npm package `zeromq`: each message is waited for. */
async function sendAwaited(push: Push, payload: Buffer, total: number): Promise<void> {
  for (let i = 0; i < total; i++) await push.send(payload)
}

/** All that a stream sends, in the way that the task names. */
export async function sendStream(task: Arguments, endpoint: string): Promise<Push> {
  const push = new Push({ sendHighWaterMark: task.number("hwm"), ...linkOptions(task) })
  push.connect(endpoint)
  const payload = Buffer.alloc(task.number("size"), "x")
  const total = task.number("warm") + task.number("count")
  await (task.text("way") === "await" ? sendAwaited : sendFast)(push, payload, total)
  return push
}

async function receiveStream(pull: Pull, task: Arguments): Promise<StreamMeter> {
  const meter = new StreamMeter(task)
  switch (task.text("way")) {
    case "await":
      for await (const [message] of pull) if (meter.message(message.length)) break
      break
    case "batches":
      for await (const batch of pull.batches()) {
        let last = false
        for (let i = 0; i < batch.length; i++) last = meter.message(batch[i][0].length)
        if (last) break
      }
      break
    case "borrow":
      pull.borrow((_bytes, start, end) => void meter.message(end - start))
      await meter.done
      break
    default:
      pull.consume(([message]) => void meter.message(message.length))
      await meter.done
  }
  return meter
}

export async function streamSend(task: Arguments, parent: Parent): Promise<void> {
  await sendStream(task, task.text("endpoint"))
  await parent.gone
}

export async function streamReceive(task: Arguments, parent: Parent): Promise<void> {
  const pull = new Pull({ receiveHighWaterMark: task.number("hwm"), ...linkOptions(task) })
  await pull.bind(task.text("endpoint"))
  parent.ready(pull.lastEndpoint)
  parent.result((await receiveStream(pull, task)).result)
  await parent.gone
}

export async function streamInside(task: Arguments, parent: Parent): Promise<void> {
  const endpoint = "inproc://bench"
  const pull = new Pull({ receiveHighWaterMark: task.number("hwm") })
  await pull.bind(endpoint)
  if (task.text("way") === "worker-threads") startThread("stream-send", endpoint, parent)
  else sendStream(task, endpoint).catch(error => parent.failed(error))
  parent.result((await receiveStream(pull, task)).result)
  await parent.gone
}
