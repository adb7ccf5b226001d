import assert from "node:assert/strict"
import * as draft from "zeromq/draft.js"
import { Datagram, Dish, Radio } from "../../index.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { freeMulticastPort } from "../support/multicast.ts"
import { multicastWorks } from "../support/udp.ts"
import { pass } from "../support/wait.ts"
import { eventually, ours, payload, theirs } from "./support.ts"

/**
 * One of each size that matters, the largest that a datagram takes with the group "grp" last. Never more: libzmq would
 * write past its buffer.
 */
const BODIES = [0, 1, 2, 255, 256, 1472, 1473, 4096, 8188].map(payload)

interface Sender {
  send(body: Buffer, option: { group: string }): Promise<void>
}
interface Receiver {
  receive(): Promise<readonly unknown[]>
}

/** Datagrams may be lost where nobody has bound yet: the first is sent until it came. */
async function carriesGroups(radio: Sender, dish: Receiver): Promise<void> {
  const first = dish.receive()
  let heard = false
  void first.then(() => {
    heard = true
  })
  await eventually(async () => {
    await radio.send(Buffer.from("hello"), { group: "grp" })
    return heard ? true : null
  })
  await radio.send(Buffer.from("begin"), { group: "grp" })
  while (`${(await dish.receive())[0]}` !== "begin") {}
  for (const [i, body] of BODIES.entries()) {
    for (const group of ["other", "gr", "grpx"]) await radio.send(Buffer.from("no"), { group })
    await radio.send(body, { group: "grp" })
    const [found, info] = (await dish.receive()) as [Buffer, { group: Buffer }]
    assert.ok(found.equals(body), `body ${i} of ${body.length} bytes`)
    assert.equal(`${info.group}`, "grp")
  }
}

/** The ports were free a moment ago: libzmq does not say which it took. */
const endpoints: [name: string, make: () => Promise<string>, probe: string | null][] = [
  ["127.0.0.1", async () => `udp://127.0.0.1:${await freeMulticastPort()}`, null],
  ["::1", async () => `udp://[::1]:${await freeMulticastPort()}`, null],
  ["a group on 127.0.0.1", async () => `udp://127.0.0.1;239.255.77.10:${await freeMulticastPort()}`, "239.255.77.10"],
  ["a group on lo", async () => `udp://lo;239.255.77.11:${await freeMulticastPort()}`, "239.255.77.11"],
]

describe("interop: RADIO, DISH and DGRAM over udp", () => {
  closesAfterEach()

  for (const [name, make, probe] of endpoints) {
    describe(`at ${name}`, () => {
      before(async function () {
        if (probe === null || (await multicastWorks(probe))) return
        console.log(`      skipped: this machine carries no multicast to ${probe} on the interface lo`)
        this.skip()
      })

      it("our Radio, their Dish", async () => {
        const endpoint = await make()
        const [radio, dish] = [ours(new Radio({ multicastHops: 0 })), theirs(new draft.Dish({ ipv6: name === "::1" }))]
        dish.join("grp")
        await dish.bind(endpoint)
        radio.connect(endpoint)
        await carriesGroups(radio, dish as unknown as Receiver)
      })

      it("their Radio, our Dish", async () => {
        const endpoint = await make()
        const [radio, dish] = [theirs(new draft.Radio({ ipv6: name === "::1" })), ours(new Dish())]
        dish.join("grp")
        await dish.bind(endpoint)
        radio.connect(endpoint)
        await carriesGroups(radio, dish)
      })
    })
  }

  it("our Radio and theirs, our Dish and theirs, in one group", async function () {
    if (!(await multicastWorks("239.255.77.12"))) this.skip()
    const endpoint = `udp://lo;239.255.77.12:${await freeMulticastPort()}`
    const dishes = [ours(new Dish()), theirs(new draft.Dish())] as unknown as (Dish & Receiver)[]
    for (const dish of dishes) {
      dish.join("grp")
      await dish.bind(endpoint)
    }
    const radios = [ours(new Radio({ multicastHops: 0 })), theirs(new draft.Radio())] as unknown as (Radio & Sender)[]
    for (const radio of radios) radio.connect(endpoint)
    for (const [i, radio] of radios.entries()) {
      for (const dish of dishes) {
        const body = `from ${i}`
        let heard = false
        const found = (async () => {
          while (`${(await dish.receive())[0]}` !== body) {}
          heard = true
        })()
        await eventually(async () => {
          await radio.send(Buffer.from(body), { group: "grp" })
          return heard ? true : null
        })
        await found
      }
    }
  })

  it("our Datagram and theirs, both ways", async () => {
    const [our, other] = [ours(new Datagram()), theirs(new draft.Datagram())]
    await our.bind("udp://127.0.0.1:*")
    const port = await freeMulticastPort()
    await other.bind(`udp://127.0.0.1:${port}`)
    const to = (our.lastEndpoint as string).slice("udp://".length)
    let heard = false
    const first = our.receive()
    void first.then(() => {
      heard = true
    })
    await eventually(async () => {
      await other.send([to, "hello"])
      await pass(2)
      return heard ? true : null
    })
    await other.send([to, "begin"])
    let from: Buffer
    for (;;) {
      const [address, body] = await our.receive()
      from = address
      if (`${body}` === "begin") break
    }
    assert.equal(from.toString("latin1"), `127.0.0.1:${port}\0`)
    for (const body of [...BODIES, payload(8192)]) {
      await our.send([from, body])
      const [address, found] = await other.receive()
      assert.ok(found.equals(body), `${body.length} bytes to them`)
      assert.equal(address.toString("latin1"), `${to}\0`)
      // What came from libzmq goes back as it is.
      await other.send([address, body])
      const [again, echoed] = await our.receive()
      assert.ok(echoed.equals(body), `${body.length} bytes to us`)
      assert.ok(again.equals(from))
    }
  })
})
