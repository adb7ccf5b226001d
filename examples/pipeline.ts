/** Work for a pool: a ventilator, three workers, a sink. Run: node dist/examples/pipeline.js */
import { Pull, Push } from "heddle"

const tasks = new Push()
await tasks.bind("ipc://*")
const results = new Pull()
await results.bind("ipc://*")

const workers = [1, 2, 3].map(async name => {
  const work = new Pull()
  const done = new Push()
  work.connect(tasks.lastEndpoint as string)
  done.connect(results.lastEndpoint as string)
  for await (const [task] of work) {
    if (task.length === 0) break
    const number = Number(task)
    await done.send([`worker ${name}`, `${number} squared is ${number * number}`])
  }
  await Promise.all([work.close(), done.close()])
})

await tasks.ready({ peers: 3 })
for (let number = 1; number <= 9; number++) await tasks.send(String(number))

for (let i = 0; i < 9; i++) {
  const [worker, text] = await results.receive()
  console.log(`${worker}: ${text}`)
}

// Push gives each of the three its turn: three empty tasks reach all of them.
for (let i = 0; i < 3; i++) await tasks.send("")
await Promise.all(workers)
await Promise.all([tasks.close(), results.close()])
