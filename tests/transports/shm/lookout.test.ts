import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import { Lookout, PATIENCE, type Watched } from "../../../transports/shm/lookout.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { turns, until } from "../../support/wait.ts"

/** Looks for a thousandth of a second at most, so that what is said of many looks is quick. */
const LONG_LOOK = 1_000_000

/** Counts what its lookout tells it. */
class Fake implements Watched {
  readonly lookout: Lookout
  due = false
  finds = 0
  surrenders = 0
  /** Begins anew when its time is over: on a busy machine a second can pass between two turns. */
  again = false
  onFound: (() => void) | null = null

  constructor(busyPoll = 0) {
    this.lookout = new Lookout(this, busyPoll || PATIENCE, busyPoll > 0)
    later(() => {
      // Nobody looks on behind the test.
      this.again = false
      this.due = true
      return until(() => !this.lookout.looking)
    })
  }

  found(): void {
    this.finds++
    this.due = false
    this.onFound?.()
  }

  gaveUp(): void {
    this.surrenders++
    if (this.again) this.lookout.begin()
  }

  /** Looks in vain so many times. */
  async inVain(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      const before = this.surrenders
      if (this.lookout.begin()) await until(() => this.surrenders > before)
    }
  }
}

describe("Lookout", () => {
  closesAfterEach()

  it("finds what comes while it looks, and looks no more", async () => {
    const fake = new Fake(LONG_LOOK)
    assert.equal(fake.lookout.begin(), true)
    assert.equal(fake.lookout.looking, true)
    await turns(3)
    assert.equal(fake.finds, 0)
    fake.due = true
    await until(() => fake.finds === 1)
    assert.equal(fake.lookout.looking, false)
    fake.due = true
    await turns(3)
    assert.equal(fake.finds, 1)
    assert.equal(fake.surrenders, 0)
  })

  it("looks no more once it was stopped, however long it was to look", async () => {
    const fake = new Fake(60 * LONG_LOOK)
    fake.lookout.begin()
    await turns(3)
    assert.equal(fake.lookout.looking, true)
    fake.lookout.stop()
    await turns(3)
    assert.equal(fake.lookout.looking, false)
    assert.deepEqual([fake.finds, fake.surrenders], [0, 1])
  })

  it("never finds within the call that begins", () => {
    const fake = new Fake(LONG_LOOK)
    fake.due = true
    fake.lookout.begin()
    assert.equal(fake.finds, 0)
  })

  it("gives up once when nothing comes", async () => {
    const fake = new Fake()
    assert.equal(fake.lookout.begin(), true)
    await until(() => fake.surrenders === 1)
    assert.equal(fake.lookout.looking, false)
    await turns(3)
    assert.equal(fake.surrenders, 1)
    assert.equal(fake.finds, 0)
  })

  it("is not taken twice when it is begun twice, and looks longer then", async () => {
    const fake = new Fake(2_000)
    fake.lookout.begin()
    const { until: first } = fake.lookout
    await turns()
    fake.lookout.begin()
    fake.lookout.expect()
    assert.ok(fake.lookout.until > first)
    await until(() => fake.surrenders > 0)
    await turns(3)
    assert.equal(fake.surrenders, 1)
  })

  it("sleeps at once after vain looks, and tries again one time in sixteen", async () => {
    const fake = new Fake()
    await fake.inVain(20)
    assert.ok(fake.surrenders < 20)
    assert.equal(fake.lookout.expect(), false, "an answer that nobody waits for is not looked for either")
    const before = fake.surrenders
    await fake.inVain(64)
    assert.equal(fake.surrenders - before, 4)
  })

  it("looks again always when looking has come to pay", async () => {
    const fake = new Fake()
    await fake.inVain(40)
    let asked = 0
    const lucky = async (): Promise<boolean> => {
      asked++
      if (!fake.lookout.begin()) return false
      const before = fake.finds
      fake.due = true
      await until(() => fake.finds > before)
      return true
    }
    // Each sixteenth is lucky: a handful of those, and it is tried each time.
    let row = 0
    while (row < 20) row = (await lucky()) ? row + 1 : 0
    assert.ok(asked > 32, "it did not believe in one success")
    assert.ok(asked < 20 * 16, "it believed in some")
    assert.equal(fake.lookout.expect(), true)
  })

  it("keeps looking with busyPoll, whatever comes of it", async () => {
    const fake = new Fake(50)
    await fake.inVain(60)
    assert.equal(fake.surrenders, 60)
    assert.equal(fake.lookout.expect(), true)
  })

  it("looks for many at once, and tells each of its own", async () => {
    const fakes = Array.from({ length: 50 }, () => new Fake(LONG_LOOK))
    const short = Array.from({ length: 50 }, () => new Fake(100))
    for (const one of [...fakes, ...short]) one.lookout.begin()
    for (let i = 0; i < fakes.length; i += 2) fakes[i].due = true
    await until(() => short.every(one => one.surrenders === 1))
    await until(() => fakes.every((one, i) => one.finds === (i % 2 === 0 ? 1 : 0)))
    assert.ok(fakes.every((one, i) => one.lookout.looking === (i % 2 === 1)))
    assert.ok(fakes.every(one => one.surrenders === 0))
  })

  it("may be begun anew from within what it found, for itself and for others", async () => {
    const fake = new Fake(LONG_LOOK)
    const other = new Fake(LONG_LOOK)
    other.due = true
    fake.onFound = () => {
      if (fake.finds < 1_000) {
        fake.lookout.begin()
        fake.due = true
      } else other.lookout.begin()
    }
    fake.lookout.begin()
    fake.due = true
    await until(() => other.finds === 1)
    assert.equal(fake.finds, 1_000)
  })

  it("tells the others all the same when one throws", async () => {
    const thrown: unknown[] = []
    const listeners = process.listeners("uncaughtException")
    process.removeAllListeners("uncaughtException")
    process.on("uncaughtException", error => thrown.push(error))
    later(() => {
      process.removeAllListeners("uncaughtException")
      for (const listener of listeners) process.on("uncaughtException", listener)
    })
    const fakes = [new Fake(LONG_LOOK), new Fake(LONG_LOOK), new Fake(LONG_LOOK)]
    fakes[0].onFound = () => {
      throw new Error("the handler's own")
    }
    for (const one of fakes) one.lookout.begin()
    for (const one of fakes) one.due = true
    await until(() => thrown.length === 1 && fakes[0].finds === 1)
    await turns(3)
    assert.deepEqual(
      fakes.map(one => one.finds),
      [1, 1, 1],
    )
  })

  describe("while it looks for a second", () => {
    /** Begins anew until the test is over. */
    const looking = (): Fake => {
      const fake = new Fake(LONG_LOOK)
      fake.again = true
      assert.equal(fake.lookout.begin(), true)
      return fake
    }

    it("timers fire, and immediates run one after the other", async () => {
      const fake = looking()
      for (let ticks = 0; ticks < 20; ticks++) await new Promise(resolve => setTimeout(resolve, 1))
      await turns(200)
      assert.equal(fake.lookout.looking, true)
    })

    it("sockets are read", async () => {
      const server = net.createServer(socket => socket.pipe(socket))
      later(() => server.close())
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      const socket = using(net.connect((server.address() as net.AddressInfo).port, "127.0.0.1"))
      await once(socket, "connect")
      const fake = looking()
      for (let round = 0; round < 50; round++) {
        socket.write(`${round}`)
        const [answer] = (await once(socket, "data")) as [Buffer]
        assert.equal(String(answer), `${round}`)
      }
      assert.equal(fake.lookout.looking, true)
    })

    it("continuations run between the looks, and ticks too", async () => {
      const fake = looking()
      let count = 0
      for (; count < 10_000; count++) await null
      for (; count < 20_000; count++) await new Promise<void>(resolve => process.nextTick(resolve))
      assert.equal(count, 20_000)
      assert.equal(fake.lookout.looking, true)
    })

    it("a promise that a look leads to goes on in the same turn", async () => {
      const fake = looking()
      const order: string[] = []
      await new Promise<void>(resolve => {
        fake.onFound = () => {
          Promise.resolve()
            .then(() => order.push("then"))
            .then(() => order.push("then again"))
            .then(() => resolve())
          setImmediate(() => order.push("next turn"))
        }
        fake.due = true
      })
      assert.deepEqual(order.slice(0, 2), ["then", "then again"])
    })
  })

  it("does nothing at all when nobody looks", async () => {
    const fake = new Fake()
    await fake.inVain(1)
    await turns(2)
    const { now } = performance
    let readings = 0
    performance.now = () => {
      readings++
      return now.call(performance)
    }
    later(() => {
      performance.now = now
    })
    await turns(20)
    performance.now = now
    assert.equal(readings, 0)
  })
})
