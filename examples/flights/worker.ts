import { Pull, Push } from "heddle"
import { Packr } from "msgpackr"
import { type ByRoute, count, figuresOf, routeOf } from "./figures.ts"
import type { Flight } from "./records.ts"
import { Line, type Task, type WorkerTask } from "./roles.ts"

/** Takes tasks from every publisher, and passes on what each batch of them comes to, by route. */
export async function worker(task: Task & WorkerTask): Promise<void> {
  const line = new Line(task)
  const packr = new Packr({ useRecords: false })
  const tasks = new Pull()
  const results = new Push()
  results.connect(task.results)
  for (const address of task.tasks) tasks.connect(address)
  const working = (async () => {
    for await (const batch of tasks.batches()) {
      const routes: ByRoute = {}
      for (const [body] of batch) {
        const flight = packr.unpack(body) as Flight
        count(figuresOf(routes, routeOf(flight)), flight)
      }
      line.state.received += batch.length
      line.state.sent++
      await results.send(packr.pack(routes))
    }
  })()
  await line.stopped
  await tasks.close()
  await working
  await Promise.all([results.close(), line.close()])
}
