/** One publisher, two subscribers with different wishes. Run: node dist/examples/publish-subscribe.js */
import { Publisher, Subscriber } from "heddle"

const publisher = new Publisher()
await publisher.bind("tcp://127.0.0.1:*")

const everything = new Subscriber()
everything.connect(publisher.lastEndpoint as string)
everything.subscribe()

const onlyOslo = new Subscriber()
onlyOslo.connect(publisher.lastEndpoint as string)
onlyOslo.subscribe("weather.oslo")

// Without this line the first messages would be sent before the subscribers are there, and nobody would get them.
await publisher.ready({ peers: 2, topic: "weather.oslo" })

await publisher.send(["weather.rome", "31 °C"])
await publisher.send(["weather.oslo", "-4 °C"])

for (const [name, socket, count] of [
  ["everything", everything, 2],
  ["only Oslo", onlyOslo, 1],
] as const) {
  for (let i = 0; i < count; i++) {
    const [subject, report] = await socket.receive()
    console.log(`${name}: ${subject} ${report}`)
  }
}

await Promise.all([publisher.close(), everything.close(), onlyOslo.close()])
