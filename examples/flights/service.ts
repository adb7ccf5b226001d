import { Pull, Reply } from "heddle"
import { Packr } from "msgpackr"
import { add, type ByRoute, figuresOf, noFigures } from "./figures.ts"
import { Line, type ServiceTask, type Task } from "./roles.ts"

/** Gathers what the workers found, and answers questions: a route by its name, everything by "". */
export async function service(task: Task & ServiceTask): Promise<void> {
  const line = new Line(task)
  const packr = new Packr({ useRecords: false })
  const results = new Pull()
  const questions = new Reply()
  await Promise.all([results.bind("ipc://*"), questions.bind(task.questions)])
  const routes: ByRoute = {}
  const total = noFigures()
  results.consume(([body]) => {
    line.state.received++
    for (const [route, figures] of Object.entries(packr.unpack(body) as ByRoute)) {
      add(figuresOf(routes, route), figures)
      add(total, figures)
    }
  })
  questions.consume(([route]) => {
    line.state.sent++
    const answer = route.length === 0 ? total : (routes[route.toString()] ?? noFigures())
    void questions.send(JSON.stringify(answer))
  })
  await line.report({ addresses: [results.lastEndpoint as string, questions.lastEndpoint as string] })
  await line.stopped
  await Promise.all([results.close(), questions.close(), line.close()])
}
