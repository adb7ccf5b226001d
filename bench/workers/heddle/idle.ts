import { Pull } from "heddle"
import type { Arguments } from "../../task.ts"
import { answerMemory } from "../idle.ts"
import type { Parent } from "../parent.ts"

export async function idle(task: Arguments, parent: Parent): Promise<void> {
  const pull = new Pull({ receiveHighWaterMark: task.number("hwm"), backlog: task.number("backlog") })
  await pull.bind(task.text("endpoint"))
  parent.ready(pull.lastEndpoint)
  await answerMemory(parent)
}
