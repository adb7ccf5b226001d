import type { Arguments } from "../../task.ts"
import type { Parent, Roles } from "../parent.ts"
import { ownProcessorTime } from "../publishing.ts"
import { closedLoop, openLoop } from "./loops.ts"
import type { Client, Technology } from "./technology.ts"

/** The service process: answers each line of the parent with the processor time that it has had, in microseconds. */
async function serve(technology: Technology, parent: Parent): Promise<void> {
  parent.ready(await technology.serve())
  parent.onLine(() => parent.result({ cpu: ownProcessorTime() }))
  await parent.gone
}

/** `closed OUTSTANDING COUNT`, `open RATE SECONDS SEED` or `leave`. */
async function obey(line: string, client: Client): Promise<Record<string, number>> {
  const [command, ...words] = line.split(" ")
  const [a, b, c] = words.map(Number)
  if (command === "closed") return closedLoop(client, a, b)
  if (command === "open") return openLoop(client, a, b, c)
  await client.close()
  return {}
}

/** The client process: makes the calls that the lines of the parent ask for. */
async function call(technology: Technology, task: Arguments, parent: Parent): Promise<void> {
  const client = await technology.dial(task.text("endpoint"))
  parent.onLine(line => {
    obey(line, client).then(
      result => parent.result(result),
      error => parent.failed(error),
    )
  })
  parent.ready(null)
  await parent.gone
}

/** The two roles of the scenarios `api-...`, for a technology that may depend on the way. */
export function apiRoles(choose: (task: Arguments) => Technology): Roles {
  return {
    "api-serve": (task, parent) => serve(choose(task), parent),
    "api-call": (task, parent) => call(choose(task), task, parent),
  }
}
