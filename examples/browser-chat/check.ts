/** The chat without a page: what its script does, in this process. On Node 22 the global WebSocket would do in the place of `ws`. */
import { connect, type FabricClient } from "heddle/browser"
import { WebSocket } from "ws"
import { type Said, startChat } from "./chat-node.ts"

interface Chat {
  "rooms.*": Said
  people: string[]
  "say.>": string
}

export async function check(): Promise<void> {
  const node = await startChat("ws://127.0.0.1:0")
  const [address] = node.edgeEndpoints
  const enter = (name: string): Promise<FabricClient<Chat>> => connect(address, { token: name, webSocket: WebSocket })
  const ann = await enter("ann")
  const bob = await enter("bob")

  const lobby = bob.subscribe("rooms.lobby", { history: 20 })
  await lobby.ready
  await ann.send("say.lobby.ann", "hello, bob")
  const heard = await lobby.receive()
  console.log(`bob hears ${heard.data.from}: ${heard.data.text}`)

  for (let i = 1; i <= 25; i++) ann.publish("say.lobby.ann", `line ${i}`)
  for (let i = 1; i <= 25; i++) await lobby.receive()
  const carol = await enter("carol")
  const before: string[] = []
  for await (const { data } of carol.subscribe("rooms.lobby", { history: 20, max: 20 })) before.push(data.text)
  console.log(`carol finds ${before.length} messages: ${before[0]} to ${before.at(-1)}`)

  for await (const { data } of carol.subscribe("people", { history: "last" })) {
    if (data.length < 3) continue
    console.log(`here are ${data.join(", ")}`)
    break
  }
  const fraud = await ann.send("say.lobby.bob", "I am bob").catch(error => error.code)
  console.log(`ann in the name of bob: ${fraud}`)
  const stranger = await enter("no name").catch(error => error.code)
  console.log(`who has no name: ${stranger}`)
  await Promise.all([ann.close(), bob.close(), carol.close()])
  await node.close()
}
