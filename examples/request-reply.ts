/** A service that answers, a client that asks. Run: node dist/examples/request-reply.js */
import { Reply, Request } from "heddle"

const service = new Reply()
await service.bind("tcp://127.0.0.1:*")
const serving = (async () => {
  for await (const [question] of service) await service.send(question.toString().toUpperCase())
})()

const client = new Request({ receiveTimeout: 5_000 })
client.connect(service.lastEndpoint as string)
for (const word of ["warp", "weft", "heddle"]) {
  await client.send(word)
  const [answer] = await client.receive()
  console.log(`${word} -> ${answer}`)
}

await Promise.all([client.close(), service.close()])
await serving
