import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { Pull, Push } from "../../index.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"
import { LONG_RUN, type Random, seeded } from "../support/random.ts"
import { Relay } from "../support/relay.ts"
import { pass, until } from "../support/wait.ts"

const QUICK = { reconnectInterval: 1, reconnectMaxInterval: 4, linger: 0 }
const BREAKS = LONG_RUN ? 5_000 : 100
const FOREVER = Number.POSITIVE_INFINITY

const digest = (frames: readonly Buffer[]): string => {
  const hash = createHash("sha1")
  for (const frame of frames) hash.update(`${frame.length}:`).update(frame)
  return hash.digest("hex")
}

/** A message that proves itself: number, count of frames, frames, and a digest over all of them. */
function sealed(number: number, random: Random): Buffer[] {
  const frames: Buffer[] = [Buffer.from(`${number}`)]
  for (let more = random.pick([0, 1, 5, 20]); more > 0; more--) {
    frames.push(random.bytes(random.pick([0, 1, 100, 255, 256, 3_000, 9_000, 40_000])))
  }
  return [...frames, Buffer.from(`${frames.length}`), Buffer.from(digest(frames))]
}

/** The number of a message that is whole. */
function numberOf(message: readonly Buffer[]): number {
  const frames = message.slice(0, -2)
  assert.equal(message.at(-2)?.toString(), `${frames.length}`, "a message arrived in parts")
  assert.equal(message.at(-1)?.toString(), digest(frames), "a message arrived changed")
  return Number(frames[0])
}

describe("Links that break", () => {
  closesAfterEach()

  for (const dialler of ["Push", "Pull"] as const) {
    it(`at random bytes: only whole messages arrive, in order, none twice (${dialler} dials)`, function () {
      if (LONG_RUN) this.timeout(0)
      return seeded(async random => {
        const push = using(new Push(QUICK))
        const pull = using(new Pull(QUICK))
        const [binder, connector] = dialler === "Push" ? [pull, push] : [push, pull]
        await binder.bind("tcp://127.0.0.1:*")
        const relay = using(
          await Relay.open(binder.lastEndpoint as string, () => ({
            bytes: random.int(0, random.pick([200, 2_000, 50_000, 500_000])),
            reset: random.chance(0.5),
          })),
        )
        let last = -1
        let arrived = 0
        const consumer = pull.consume(message => {
          const number = numberOf(message)
          if (number <= last) throw new Error(`message ${number} came after ${last}`)
          last = number
          arrived++
        })
        using({ close: () => consumer.stop() })
        connector.connect(relay.endpoint)
        let sent = 0
        while (relay.broken < BREAKS) await push.send(sealed(sent++, random))
        relay.spares = true
        // The last link that breaks may take some with it; then everything arrives.
        let mark: number
        do {
          mark = sent
          await push.send(sealed(sent++, random))
          for (let patience = 50; patience > 0 && last < mark; patience--) await pass(2)
        } while (last < mark)
        for (let i = 0; i < 10; i++) await push.send(sealed(sent++, random))
        await until(() => last === sent - 1)
        assert.ok(arrived > 0 && arrived <= sent)
      })
    })
  }

  it("at every single byte lose a message as a whole or not at all", async () => {
    const pull = using(new Pull(QUICK))
    await pull.bind("tcp://127.0.0.1:*")
    const got: string[] = []
    const consumer = pull.consume(message => void got.push(message.join("|")))
    using({ close: () => consumer.stop() })
    // The handshake (105 octets each way, less than that counted), and messages of 3 frames behind it.
    for (let bytes = 0; bytes <= 300; bytes++) {
      let links = 0
      const relay = await Relay.open(pull.lastEndpoint as string, () => ({
        bytes: links++ === 0 ? bytes : FOREVER,
        reset: bytes % 2 === 0,
      }))
      const push = new Push(QUICK)
      push.connect(relay.endpoint)
      got.length = 0
      for (let i = 0; i < 10; i++) await push.send([`first ${i}`, "", `last ${i}`])
      // The second link is there only when both sides know that the first is broken.
      await until(() => links === 2 && push.stats().peers[0].connected)
      await push.send(["the", "", "end"])
      await until(() => got.at(-1) === "the||end")
      const numbers = got.slice(0, -1).map(text => {
        const [, first, last] = /^first (\d)\|\|last (\d)$/.exec(text) ?? []
        assert.ok(first !== undefined && first === last, `${text} arrived when the link broke at byte ${bytes}`)
        return Number(first)
      })
      assert.deepEqual(
        numbers,
        [...new Set(numbers)].sort((a, b) => a - b),
      )
      await push.close({ linger: 0 })
      await relay.close()
    }
  })

  it("take with them what was on the way, never what was waiting", async () => {
    const pull = using(new Pull(QUICK))
    await pull.bind("tcp://127.0.0.1:*")
    let links = 0
    const relay = using(
      await Relay.open(pull.lastEndpoint as string, () => ({ bytes: links++ < 5 ? 0 : FOREVER, reset: true })),
    )
    const push = using(new Push(QUICK))
    push.connect(relay.endpoint)
    for (let i = 0; i < 1_000; i++) await push.send(`${i}`)
    for (let i = 0; i < 1_000; i++) assert.equal(String(await pull.receive()), `${i}`)
    assert.equal(relay.broken, 5)
  })
})
