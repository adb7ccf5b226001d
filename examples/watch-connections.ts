/** Events and counters: what happens to the connections of a socket, and what became of its messages. Run: node dist/examples/watch-connections.js */
import { Pull, Push } from "heddle"

const push = new Push({ reconnectInterval: 20 })
for (const type of ["connect", "handshake", "disconnect", "connect:retry"] as const) {
  push.events.on(type, event => console.log(`push: ${event.type} ${event.address}`))
}

const first = new Pull()
await first.bind("tcp://127.0.0.1:*")
const address = first.lastEndpoint as string
push.connect(address)
await push.send("one")
console.log(`first received: ${await first.receive()}`)
await first.close()

// The address is free as soon as `close` has resolved; the push socket finds the new listener by itself.
const second = new Pull()
await second.bind(address)
await push.ready()
await push.send("two")
console.log(`second received: ${await second.receive()}`)

const { messagesSent, dropped } = push.stats()
console.log(`sent ${messagesSent}, dropped ${JSON.stringify(dropped)}`)
await Promise.all([push.close(), second.close()])
