/** A chat of pages: one node, one page, rooms, the last 20 messages, who is here. Run: node dist/examples/browser-chat/main.js [PORT] */
import { listenAt } from "../support/page.ts"
import { startChat } from "./chat-node.ts"
import { check } from "./check.ts"

const [argument] = process.argv.slice(2)

if (argument === "--check") await check()
else {
  const node = await startChat(listenAt(argument))
  console.log(`chat at ${node.edgeEndpoints[0].replace("ws", "http")} - open it in two windows; Ctrl-C ends it`)
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void node.close())
}
