/** Many questions at a time: a Dealer asks, a Router hands them out, answers come as they are ready. Run: node dist/examples/many-requests.js */
import { setTimeout as sleep } from "node:timers/promises"
import { Dealer, Router } from "heddle"

const router = new Router()
await router.bind("ipc://*")
router.consume(async ([client, id, question]) => {
  const milliseconds = Number(question)
  await sleep(milliseconds)
  await router.send([client, id, `slept ${milliseconds} ms`])
})

const dealer = new Dealer()
dealer.connect(router.lastEndpoint as string)
const pauses = [60, 20, 40]
for (const [index, pause] of pauses.entries()) await dealer.send([String(index), String(pause)])
for (const _ of pauses) {
  const [id, answer] = await dealer.receive()
  console.log(`question ${id}: ${answer}`)
}

await Promise.all([dealer.close(), router.close()])
