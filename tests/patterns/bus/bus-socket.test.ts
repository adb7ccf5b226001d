import assert from "node:assert/strict"
import { Bus } from "../../../patterns/bus/bus.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { text } from "../../support/pattern.ts"
import { ENDPOINTS, lastingIpc, QUICK, testContext } from "../../support/sockets.ts"
import { until } from "../../support/wait.ts"

const context = testContext()
const bus = (options: ConstructorParameters<typeof Bus>[0] = {}) => using(new Bus({ context, ...QUICK, ...options }))

/** `count` messages of the socket, in alphabetical order. */
async function heard(socket: Bus, count: number): Promise<string[]> {
  const messages: string[] = []
  while (messages.length < count) messages.push(text(await socket.receive()))
  return messages.sort()
}

describe("Bus", () => {
  closesAfterEach()

  for (const endpoint of ENDPOINTS) {
    it(`BUS-1: in a full mesh all hear all others over ${endpoint}`, async () => {
      const members = [bus(), bus(), bus(), bus()]
      const addresses: string[] = []
      for (const one of members) {
        await one.bind(endpoint)
        addresses.push(one.lastEndpoint as string)
      }
      for (const [i, one] of members.entries()) for (const address of addresses.slice(0, i)) one.connect(address)
      for (const one of members) await one.ready({ peers: 3 })
      for (const [i, one] of members.entries()) for (let n = 0; n < 100; n++) await one.send(`${i}.${n}`)
      for (const [i, one] of members.entries()) {
        const wanted = members.flatMap((_, from) =>
          from === i ? [] : Array.from({ length: 100 }, (_, n) => `${from}.${n}`),
        )
        assert.deepEqual(await heard(one, 300), wanted.sort())
        assert.equal(one.tryReceive(), null)
      }
    })

    it(`BUS-1: what was sent goes out although the socket is closed right after it, over ${endpoint}`, async () => {
      const [a, b, c] = [bus(), bus(), bus()]
      await a.bind(endpoint)
      for (const one of [b, c]) one.connect(a.lastEndpoint as string)
      await a.ready({ peers: 2 })
      for (let n = 0; n < 10; n++) void a.send(String(n))
      void a.close()
      for (const one of [b, c]) assert.equal((await heard(one, 10)).length, 10)
    })
  }

  it("BUS-1: what was sent goes out although the endpoint is disconnected right after it", async () => {
    const [a, b, c] = [bus(), bus(), bus()]
    for (const one of [b, c]) {
      await one.bind("ipc://*")
      a.connect(one.lastEndpoint as string)
    }
    await a.ready({ peers: 2 })
    for (let n = 0; n < 10; n++) void a.send(String(n))
    a.disconnect(b.lastEndpoint as string)
    for (const one of [b, c]) assert.equal((await heard(one, 10)).length, 10)
  })

  it("BUS-2: a member that does not read holds nobody up; what it misses is counted", async () => {
    const [a, keen] = [bus({ sendHighWaterMark: 2 }), bus()]
    const deaf = bus({ receiveHighWaterMark: 1 })
    await a.bind("ipc://*")
    for (const one of [keen, deaf]) one.connect(a.lastEndpoint as string)
    await a.ready({ peers: 2 })
    const large = Buffer.alloc(64 * 1024)
    let sent = 0
    for (; a.stats().dropped.full === undefined; sent++) {
      await a.send(large)
      await keen.receive()
    }
    assert.equal(keen.stats().messagesReceived, sent)
  })

  it("BUS-2: a member that comes back hears what is said from then on", async () => {
    const address = lastingIpc()
    const [a, b, other] = [bus(), bus(), bus()]
    await b.bind(address)
    a.connect(address)
    other.connect(address)
    await b.ready({ peers: 2 })
    await b.close()
    await until(() => a.stats().peers.every(peer => !peer.connected))
    await a.send("unheard")
    assert.deepEqual(a.stats().dropped, { "no-peer": 1 })
    const again = bus()
    await again.bind(address)
    await a.ready()
    await a.send("heard")
    assert.equal(text(await again.receive()), "heard")
  })
})
