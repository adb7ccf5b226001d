import assert from "node:assert/strict"
import type { Link } from "../../../patterns/fabric/link/link.ts"
import type { RequestMessage } from "../../../patterns/fabric/requests/request-message.ts"
import type { Service } from "../../../patterns/fabric/requests/service.ts"
import { Services } from "../../../patterns/fabric/requests/services.ts"

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe("Servers look for the next request", () => {
  let now: number
  /** Readings of the clock: one for each look. */
  let looks: number
  const real = performance.now
  beforeEach(() => {
    // Earlier than the real time, so that nothing goes on when it is restored.
    now = 0
    looks = 0
    performance.now = () => {
      looks++
      return now
    }
  })
  afterEach(() => {
    performance.now = real
  })

  function server(busyPoll: number, vigilant?: boolean): { batch(requests: number): void; goesOn(): Promise<boolean> } {
    const services = new Services({ origin: {}, codecs: {} } as never, busyPoll)
    const link = { connection: { vigilant } } as Link
    const service = { answer: () => {} } as unknown as Service
    return {
      batch(requests) {
        const arrival = { at: now }
        for (let id = 1; id <= requests; id++) {
          services.take(link, service, id, { arrival } as unknown as RequestMessage, 1)
        }
      },
      async goesOn() {
        await turn()
        const before = looks
        await turn()
        await turn()
        return looks >= before + 2
      },
    }
  }

  it("when few came at once, until the time is up", async () => {
    const { batch, goesOn } = server(100)
    batch(1)
    assert.ok(await goesOn())
    now += 0.01
    batch(8)
    assert.ok(await goesOn())
    now += 0.11
    assert.equal(await goesOn(), false)
  })

  it("but not when many came at once", async () => {
    const { batch, goesOn } = server(100)
    batch(9)
    now += 1
    await goesOn()
    batch(9)
    assert.equal(await goesOn(), false)
  })

  it("nor where the connection does it: in shared memory", async () => {
    const { batch, goesOn } = server(100, true)
    batch(1)
    assert.equal(await goesOn(), false)
  })

  it("and never with busyPoll: 0", async () => {
    const { batch, goesOn } = server(0)
    batch(1)
    assert.equal(await goesOn(), false)
  })
})
