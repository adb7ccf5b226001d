import assert from "node:assert/strict"
import { Agenda } from "../../../transports/simulated/agenda.ts"
import { ProcessClock } from "../../../transports/simulated/process-clock.ts"
import { RealClock } from "../../../transports/simulated/real-clock.ts"
import { VirtualClock } from "../../../transports/simulated/virtual-clock.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { coded } from "../../support/pattern.ts"
import { seeded } from "../../support/random.ts"

describe("Agenda", () => {
  it("gives its entries in the order of their moments, then of their making, whoever leaves meanwhile", () =>
    seeded(random => {
      const agenda = new Agenda()
      const ran: number[] = []
      const model: { at: number; number: number; cancel: () => void }[] = []
      for (let number = 0; number < 2000; number++) {
        const at = random.int(0, 50)
        const entry = agenda.add(at, () => ran.push(number))
        model.push({ at, number, cancel: () => agenda.remove(entry) })
        if (random.chance(0.3)) {
          const [left] = model.splice(random.int(0, model.length - 1), 1)
          left.cancel()
          left.cancel()
        }
      }
      for (let entry = agenda.first; entry !== null; entry = agenda.first) {
        agenda.remove(entry)
        entry.run()
      }
      model.sort((one, other) => one.at - other.at || one.number - other.number)
      assert.deepEqual(
        ran,
        model.map(({ number }) => number),
      )
      assert.equal(agenda.size, 0)
    }))
})

describe("VirtualClock", () => {
  it("runs timers at their moments and in order, those that they set included", () => {
    const clock = new VirtualClock({ start: 100 })
    const ran: string[] = []
    const note = (name: string) => () => void ran.push(`${name} ${clock.now()}`)
    clock.after(5, note("late"))
    clock.after(1, () => {
      note("first")()
      clock.after(0, note("at once"))
      clock.after(2, note("then"))
    })
    clock.after(1, note("second"))
    clock.after(3, note("never")).cancel()
    assert.equal(clock.next, 101)
    clock.run(104)
    assert.deepEqual(ran, ["first 101", "second 101", "at once 101", "then 103"])
    assert.deepEqual([clock.now(), clock.pending], [104, 1])
    assert.equal(clock.step(), true)
    assert.equal(clock.step(), false)
    assert.deepEqual([ran.at(-1), clock.now(), clock.next], ["late 105", 105, Number.POSITIVE_INFINITY])
  })

  it("lets promises go on between two moments", async () => {
    const clock = new VirtualClock()
    const pause = (milliseconds: number): Promise<void> => new Promise(resolve => clock.after(milliseconds, resolve))
    let done = 0
    const work = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        await pause(100)
        await Promise.resolve()
        done++
      }
    }
    const worked = work()
    await clock.advance(550)
    assert.deepEqual([done, clock.now()], [5, 550])
    await clock.advance(450)
    await worked
    assert.equal(clock.now(), 1000)
  })

  it("is bounded: in timers that wait, and in timers without time passing", () => {
    const clock = new VirtualClock({ maxTimers: 3, maxStandstill: 100 })
    for (let i = 0; i < 3; i++) clock.after(1, () => {})
    assert.throws(() => clock.after(1, () => {}), coded("EMFILE"))
    assert.throws(() => new VirtualClock().after(Number.NaN, () => {}), coded("EINVAL"))
    clock.run(2)
    const again = (): void => void clock.after(0, again)
    again()
    assert.throws(() => clock.run(3), coded("EBUSY"))
  })
})

describe("ProcessClock", () => {
  closesAfterEach()

  const install = (): ProcessClock => {
    const clock = new ProcessClock(() => 0.25)
    later(() => clock.restore())
    clock.install()
    return clock
  }

  it("stands in for the timers of the process until it is restored", async () => {
    const { setTimeout: timeout, setImmediate: immediate } = globalThis
    const clock = install()
    const ran: string[] = []
    setTimeout((text: string) => ran.push(`${text} ${performance.now()}`), 50, "timeout")
    const interval = setInterval(() => {
      ran.push(`interval ${performance.now()}`)
      if (ran.length === 5) clearInterval(interval)
    }, 20)
    const refreshed = setTimeout(() => ran.push(`refreshed ${performance.now()}`), 30)
    clearTimeout(setTimeout(() => ran.push("never"), 10))
    clearImmediate(setImmediate(() => ran.push("never")))
    setTimeout(() => refreshed.unref().refresh(), 25)
    await clock.advance(1000)
    assert.deepEqual(ran, ["interval 20", "interval 40", "timeout 50", "refreshed 55", "interval 60"])
    assert.equal(Math.random(), 0.25)
    clock.restore()
    assert.deepEqual([setTimeout, setImmediate], [timeout, immediate])
    assert.notEqual(Math.random(), Math.random())
    clearInterval(interval)
  })

  it("waits for chains of immediates, but not for ever", async () => {
    const clock = install()
    let turns = 0
    const chain = (): void => {
      if (++turns < 50) setImmediate(chain)
    }
    setImmediate(chain)
    await clock.settle()
    assert.equal(turns, 50)
    let going = true
    const forever = (): void => {
      if (going) setImmediate(forever)
    }
    setImmediate(forever)
    await clock.settle()
    going = false
    await clock.settle()
  })

  it("is one at a time", () => {
    const clock = install()
    assert.throws(() => new ProcessClock(Math.random).install(), coded("EBUSY"))
    clock.restore()
    clock.restore()
    install()
  })
})

describe("RealClock", () => {
  it("keeps the order of moments, whatever the order in which they were set", async () => {
    const clock = new RealClock()
    const start = clock.now()
    const ran: number[] = []
    await new Promise<void>(resolve => {
      clock.after(6, resolve)
      for (const at of [5, 0, 2.5, 0, 2, -1]) {
        clock.after(at, () => {
          assert.ok(clock.now() >= start + at)
          ran.push(at)
        })
      }
      clock.after(1, () => ran.push(Number.NaN)).cancel()
    })
    assert.deepEqual(
      ran.filter(at => at > 0),
      [2, 2.5, 5],
    )
    assert.equal(ran.length, 6)
  })
})
