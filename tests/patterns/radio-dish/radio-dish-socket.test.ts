import assert from "node:assert/strict"
import { Context } from "../../../core/context.ts"
import { Dish, type GroupMessage } from "../../../patterns/radio-dish/dish.ts"
import { Radio } from "../../../patterns/radio-dish/radio.ts"
import { IpcTransport } from "../../../transports/ipc.ts"
import { TcpTransport } from "../../../transports/tcp.ts"
import { command, message } from "../../support/bytes.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { RawListener, RawPeer } from "../../support/raw-peer.ts"
import { event } from "../../support/wait.ts"

const context = new Context([new TcpTransport(), new IpcTransport()])
const radio = (options = {}): Radio => using(new Radio({ context, ...options }))
const dish = (options = {}): Dish => using(new Dish({ context, ...options }))

const text = ([body, { group }]: GroupMessage): string => `${group}: ${body}`

/** Sends until the dish has its first message: a radio has no way to know who joined. */
async function firstOf(from: Radio, to: Dish, group: string): Promise<string> {
  const first = to.receive()
  let there = false
  void first.then(() => {
    there = true
  })
  while (!there) {
    await from.send("hello", { group })
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  return text(await first)
}

describe("Radio and Dish", () => {
  closesAfterEach()

  it("RADIO-2, DISH-2 tell a mistake at the call", async () => {
    const [from, to] = [radio(), dish()]
    await assert.rejects(from.send("a", { group: "g".repeat(256) }), { code: "EINVAL" })
    to.join("g")
    assert.throws(() => to.join("g"), { code: "EINVAL" })
    assert.throws(() => to.leave("h"), { code: "EINVAL" })
    await to.close()
    assert.throws(() => to.join("h"), { code: "EBADF" })
  })

  for (const address of ["tcp://127.0.0.1:*", "ipc://*"]) {
    it(`RADIO-1, DISH-1 pass messages of a group over ${address.slice(0, 3)}`, async () => {
      const [from, to] = [radio(), dish()]
      to.join("news", "weather")
      await from.bind(address)
      to.connect(from.lastEndpoint as string)
      assert.equal(await firstOf(from, to, "news"), "news: hello")
      await from.send("secret", { group: "other" })
      await from.send(Buffer.from("sun"), { group: Buffer.from("weather") })
      for (;;) {
        const found = text(await to.receive())
        if (found === "news: hello") continue
        assert.equal(found, "weather: sun")
        break
      }
    })
  }

  it("RADIO-10 what was sent right before close arrives", async () => {
    const from = radio()
    await from.bind("tcp://127.0.0.1:*")
    const dishes = [dish(), dish()]
    for (const to of dishes) {
      to.join("g", "last")
      to.connect(from.lastEndpoint as string)
      await firstOf(from, to, "g")
    }
    for (const body of ["a", "b"]) void from.send(body, { group: "last" })
    await from.close()
    for (const to of dishes) {
      const found: string[] = []
      while (found.at(-1) !== "last: b") found.push(text(await to.receive()))
      assert.deepEqual(found.slice(-2), ["last: a", "last: b"])
    }
  })

  it("DISH-4 joins again when the radio is back", async () => {
    const to = dish({ reconnectInterval: 1, reconnectMaxInterval: 1 })
    const first = radio()
    await first.bind("tcp://127.0.0.1:*")
    const address = first.lastEndpoint as string
    to.join("g")
    to.connect(address)
    assert.equal(await firstOf(first, to, "g"), "g: hello")
    const left = event(to.events, "disconnect")
    await first.close()
    await left
    const second = radio()
    await second.bind(address)
    while (to.tryReceive() !== null);
    assert.equal(await firstOf(second, to, "g"), "g: hello")
  })

  it("RADIO-1, RADIO-3 speak as RFC 48 writes it down", async () => {
    const from = radio()
    await from.bind("tcp://127.0.0.1:*")
    const peer = using(await RawPeer.connect(from.lastEndpoint as string))
    await peer.shake("DISH")
    await peer.write(command("JOIN", "g"), command("JOIN", "h"), command("LEAVE", "h"))
    const sending = setInterval(() => {
      from.trySend("no", { group: "h" })
      from.trySend("body", { group: "g" })
    }, 1)
    try {
      assert.deepEqual(await peer.readMessage(), ["g", "body"])
      assert.deepEqual(await peer.readMessage(), ["g", "body"])
    } finally {
      clearInterval(sending)
    }
  })

  it("DISH-2, DISH-3, DISH-6 speak as RFC 48 writes it down, and hang up on who does not", async () => {
    const listener = using(await RawListener.open())
    const to = dish()
    to.join("g")
    to.connect(listener.endpoint)
    const peer = await listener.accept()
    await peer.shake("RADIO")
    const refused = event(to.events, "refuse")
    assert.deepEqual(await peer.readCommand(), { name: "JOIN", data: Buffer.from("g") })
    to.join("h")
    to.leave("g")
    assert.deepEqual(await peer.readCommand(), { name: "JOIN", data: Buffer.from("h") })
    assert.deepEqual(await peer.readCommand(), { name: "LEAVE", data: Buffer.from("g") })
    await peer.write(message("h", "body"))
    assert.equal(text(await to.receive()), "h: body")
    await peer.write(message("h"))
    assert.equal((await peer.readCommand()).name, "ERROR")
    assert.equal((await refused).error.code, "ERR_ZMTP_FRAME")
    assert.equal(await peer.gone, "end")
  })
})
