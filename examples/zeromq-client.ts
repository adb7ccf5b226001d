/**
 * Plain ZeroMQ clients on the port of a fabric's node. They know nothing of Heddle: here they are libzmq by the npm package
 * `zeromq`, but pyzmq, NetMQ, JeroMQ... do the same (docs/fabric-zeromq.md). Run: node dist/examples/zeromq-client.js
 */
import { join } from "heddle"
import * as zmq from "zeromq"

// A port of their own for nodes and clients; port 0 is any free one. Clients speak JSON, and the fabric understands it.
const fabric = await join("shop", { discovery: [], listen: "tcp://127.0.0.1:0", foreign: { codec: "json" } })
const [address] = fabric.endpoints

fabric.serve("stock.check", ({ data }) => ({ sku: data.sku, left: 7 }))
fabric.subscribe("orders.>", ({ subject, data }) => {
  console.log(`node: ${subject}, order ${data.id}`)
  fabric.publish("invoices.eu", { order: data.id, total: 12.5 })
})

// SUB follows subjects by prefix.
const subscriber = new zmq.Subscriber({ linger: 0 })
subscriber.connect(address)
subscriber.subscribe("invoices.")
await fabric.ready({ subject: "invoices.eu" })

// PUSH (or PUB) publishes: the subject, then the payload.
const push = new zmq.Push({ linger: 0 })
push.connect(address)
await push.send(["orders.eu", JSON.stringify({ id: 42 })])

const [subject, invoice] = await subscriber.receive()
console.log(`SUB: ${subject} ${invoice}`)

// REQ (or DEALER) asks; one frame comes back, or two when it failed: a code and a text.
const request = new zmq.Request({ linger: 0 })
request.connect(address)
await request.send(["stock.check", JSON.stringify({ sku: "warp" })])
const [reply] = await request.receive()
console.log(`REQ: ${reply}`)
await request.send(["stock.chekc", "null"])
const [code] = await request.receive()
console.log(`REQ: ${code}`)

for (const { type, messagesSent, messagesReceived } of fabric.stats().clients)
  console.log(`${type} client: ${messagesReceived} messages from it, ${messagesSent} to it`)

for (const client of [subscriber, push, request]) client.close()
await fabric.close()
