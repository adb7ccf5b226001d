/**
 * What the type declarations promise. Nothing here runs: it is right when it compiles, and each `@ts-expect-error` is
 * an error of its own when the line below it is accepted.
 */
import {
  type Client,
  type Datagram,
  type Dish,
  type HeddleError,
  type Message,
  type Publisher,
  type Pull,
  type Push,
  type Radio,
  Router,
  type Server,
  type SocketOptions,
  Subscriber,
} from "../../index.ts"

/** True when the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles for `true` only. */
function holds<T extends true>(_proof?: T): void {}

export async function whoOnlySends(publisher: Publisher, push: Push, radio: Radio): Promise<void> {
  // @ts-expect-error a Publisher does not receive
  await publisher.receive()
  // @ts-expect-error nor is it iterable
  for await (const _ of publisher) break
  // @ts-expect-error a Push does not receive
  await push.receive()
  // @ts-expect-error a Push has no limit of what it receives
  push.receiveHighWaterMark = 1
  // @ts-expect-error a Radio does not receive
  await radio.receive()
}

export async function whoOnlyReceives(subscriber: Subscriber, pull: Pull, dish: Dish): Promise<void> {
  // @ts-expect-error a Subscriber does not send
  await subscriber.send("x")
  // @ts-expect-error a Pull does not send
  await pull.send("x")
  // @ts-expect-error nor try to
  pull.trySend("x")
  // @ts-expect-error a Dish does not send
  await dish.send("x", { group: "g" })
}

export async function whatSendNeeds(server: Server, radio: Radio, client: Client, push: Push): Promise<void> {
  await server.send("x", { routingId: 1 })
  // @ts-expect-error a Server must know to whom
  await server.send("x")
  // @ts-expect-error by number
  await server.send("x", { routingId: "1" })
  // @ts-expect-error and has messages of one frame
  await server.send(["x", "y"], { routingId: 1 })
  // @ts-expect-error the fast way too
  server.trySend("x")
  await radio.send("x", { group: "g" })
  // @ts-expect-error a Radio must know the group
  await radio.send("x")
  // @ts-expect-error not an id
  await radio.send("x", { routingId: 1 })
  await client.send("x")
  // @ts-expect-error a Client has messages of one frame
  await client.send(["x", "y"])
  await push.send(["x", Buffer.from("y"), new Uint8Array(3), null, 7])
  // @ts-expect-error a Push has nothing to choose
  await push.send("x", { group: "g" })
  // @ts-expect-error an object is no frame
  await push.send({ text: "x" })
}

export async function whatDatagramsNeed(datagram: Datagram): Promise<void> {
  await datagram.send(["127.0.0.1:5555", "x"])
  // @ts-expect-error a Datagram must know the address
  await datagram.send("x")
  // @ts-expect-error and has one payload
  await datagram.send(["127.0.0.1:5555", "x", "y"])
  const [address, payload] = await datagram.receive()
  holds<Same<typeof address, Buffer>>()
  holds<Same<typeof payload, Buffer>>()
}

export function events(push: Push): void {
  push.events.on("connect:retry", event => {
    holds<Same<typeof event.interval, number>>()
    holds<Same<typeof event.address, string>>()
  })
  push.events.on("handshake:error:protocol", event => holds<Same<typeof event.error, HeddleError>>())
  push.events.on("connect", event => {
    // @ts-expect-error a connection that was made has no error
    event.error
    // @ts-expect-error nor an interval
    event.interval
  })
  // @ts-expect-error the end has no address
  push.events.on("end", event => event.address)
  // @ts-expect-error there is no such event
  push.events.on("connected", () => {})
}

export function options(): SocketOptions<Push>[] {
  new Router({ mandatory: true, routingId: "me" })
  // @ts-expect-error a Subscriber has no routing id
  new Subscriber({ routingId: "me" })
  return [
    { sendHighWaterMark: 1, linger: 0, immediate: true },
    // @ts-expect-error a Push does not receive
    { receiveHighWaterMark: 1 },
    // @ts-expect-error misspelt
    { sendHighWatermark: 1 },
    // @ts-expect-error of another type
    { linger: "0" },
    // @ts-expect-error read only
    { lastEndpoint: "tcp://127.0.0.1:1" },
    // @ts-expect-error a method
    { connect: () => {} },
  ]
}

export async function whatComes(pull: Pull, server: Server, dish: Dish): Promise<void> {
  for await (const message of pull) {
    holds<Same<typeof message, Message>>()
    const [first, second]: readonly Buffer[] = message
    holds<Same<typeof first, Buffer>>()
    // @ts-expect-error received frames are not to be changed
    message.push(second)
  }
  for await (const batch of pull.batches()) holds<Same<typeof batch, Message[]>>()
  const nothing = pull.tryReceive()
  // @ts-expect-error there may be none
  nothing.length
  const [frame, { routingId }] = await server.receive()
  holds<Same<typeof frame, Buffer>>()
  holds<Same<typeof routingId, number>>()
  const [data, { group }] = await dish.receive()
  holds<Same<typeof data, Buffer>>()
  holds<Same<typeof group, Buffer>>()
}

export async function disposal(make: () => Push): Promise<void> {
  await using push = make()
  holds<Same<Awaited<ReturnType<typeof push.close>>, void>>()
}
