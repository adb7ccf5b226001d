/** One question, many answers: the handler is a generator, the client a loop. Run: node dist/examples/streaming-reply.js */
import { setTimeout as sleep } from "node:timers/promises"
import { join } from "heddle"
import { ownFolder } from "./support/processes.ts"

const WORDS = "a heddle is the part of a loom that every thread passes through".split(" ")

ownFolder()
const server = await join("words", { name: "server" })
const client = await join("words", { name: "client" })

server.serve("text.tell", async function* ({ data: pause, signal }) {
  let told = 0
  try {
    for (const word of WORDS) {
      yield word
      told++
      // The signal is aborted when the client has heard enough, is gone, or waits no longer.
      await sleep(pause, null, { signal })
    }
  } finally {
    console.log(`server: told ${told} of ${WORDS.length} words`)
  }
})
await client.ready({ subject: "text.tell", servers: 1 })

const heard: string[] = []
for await (const { data } of client.stream("text.tell", 2)) heard.push(data)
console.log(`client: ${heard.join(" ")}`)

heard.length = 0
for await (const { data } of client.stream("text.tell", 200, { timeout: 60_000 })) {
  heard.push(data)
  // Leaving the loop cancels the request.
  if (heard.length === 3) break
}
console.log(`client: ${heard.join(" ")} ... is enough`)

await client.close()
await server.drain()
