import assert from "node:assert/strict"
import { HOST_LENGTH, POSITION, SLOTS, slotAt, WANTED } from "../../../../transports/multicast/near/layout.ts"
import type { NearReader } from "../../../../transports/multicast/near/reader.ts"
import type { Native } from "../../../../transports/native/addon.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { describeNative } from "../../native/addon-fixtures.ts"
import { FakeNative } from "./fake.ts"
import { begin, checked, Publisher, Taker } from "./fixtures.ts"
import { inOrder, operationsOf, schedules } from "./orders.ts"

describe("Members of a multicast sender's memory, plain", () => suite(new FakeNative()))
describeNative("Members of a multicast sender's memory, shared", suite)

function suite(native: Native): void {
  closesAfterEach()

  /** Readers that take what goes out, in slots 0, 1... */
  function group(count: number, any = false): { publisher: Publisher; readers: NearReader[] } {
    const publisher = new Publisher(native, 1, any)
    const readers = Array.from({ length: count }, (_, index) => publisher.reader(7_000 + index))
    publisher.publish()
    for (const reader of readers) {
      assert.equal(reader.ready(new Taker(1)), true)
      checked(reader.take() as Buffer)
    }
    return { publisher, readers }
  }

  describe("terms", () => {
    it("begin for a reader when it has what came before by datagrams", () => {
      const publisher = new Publisher(native)
      const { writer } = publisher
      const reader = publisher.reader()
      const taker = new Taker(1)
      writer.open = false
      assert.equal(reader.ready(taker), false)
      publisher.sequence = 4
      writer.open = true
      // Nothing shows yet which packet is the first here.
      assert.equal(reader.ready(taker), false)
      publisher.publish()
      for (; taker.position < 5; taker.position++) {
        assert.equal(reader.ready(taker), false)
        assert.equal(reader.began, false)
        assert.deepEqual([writer.reads(0), writer.tells(0)], [false, false])
      }
      assert.equal(reader.ready(taker), true)
      assert.equal(reader.began, true)
      assert.deepEqual([writer.reads(0), writer.tells(0)], [true, true])
      assert.equal(writer.position(0, 1), 5)
      assert.equal(checked(reader.take() as Buffer), 5)
    })

    it("end, and what they leave is still taken; what went by datagrams until the next comes between", () => {
      const publisher = new Publisher(native)
      const { writer } = publisher
      const reader = publisher.reader()
      const taker = new Taker(1)
      for (let count = 0; count < 3; count++) publisher.publish()
      assert.equal(reader.ready(taker), true)
      assert.equal(checked(reader.take() as Buffer), 1)
      writer.open = false
      assert.deepEqual([writer.reads(0), writer.tells(0)], [false, true])
      assert.equal(reader.ready(taker), true)
      assert.equal(checked(reader.take() as Buffer), 2)
      publisher.sequence = 6
      writer.open = true
      publisher.publish()
      assert.equal(reader.ready(taker), true)
      assert.equal(checked(reader.take() as Buffer), 3)
      for (taker.position = 4; taker.position < 7; taker.position++) assert.equal(reader.ready(taker), false)
      assert.equal(writer.reads(0), false)
      assert.equal(reader.ready(taker), true)
      assert.equal(checked(reader.take() as Buffer), 7)
      assert.equal(writer.reads(0), true)
    })

    it("leave nothing to a reader that has not begun: it came by datagrams", () => {
      const publisher = new Publisher(native)
      const { writer } = publisher
      const reader = publisher.reader()
      const taker = new Taker(1)
      publisher.sequence = 1
      publisher.publish()
      publisher.publish()
      assert.equal(reader.ready(taker), false)
      writer.open = false
      writer.open = true
      assert.equal(reader.available, 2)
      assert.equal(reader.ready(taker), false)
      assert.equal(reader.available, 0)
      publisher.publish()
      assert.equal(reader.ready(taker), false)
      taker.position = 4
      assert.equal(reader.ready(taker), true)
      assert.equal(checked(reader.take() as Buffer), 4)
    })

    it("can be entered in the midst", () => {
      const publisher = new Publisher(native)
      for (let count = 0; count < 5; count++) publisher.publish()
      const reader = publisher.reader()
      const taker = new Taker(6)
      assert.equal(reader.ready(taker), false)
      publisher.publish()
      taker.position = 5
      assert.equal(reader.ready(taker), false)
      taker.position = 6
      assert.equal(reader.ready(taker), true)
      assert.equal(checked(reader.take() as Buffer), 6)
    })

    it("end for the sender when the reader has left", () => {
      const { publisher, readers } = group(2)
      const { writer } = publisher
      readers[0].close()
      assert.deepEqual([writer.reads(0), writer.reads(1)], [false, true])
    })
  })

  describe("sleep", () => {
    it("is asked for only where nothing is to be read, and ends by one bell", () => {
      const { publisher, readers } = group(1)
      const { writer } = publisher
      assert.equal(writer.wakes(0), false)
      assert.equal(readers[0].sleep(), true)
      publisher.publish()
      assert.equal(writer.wakes(0), true)
      assert.equal(writer.wakes(0), false)
      assert.equal(readers[0].sleep(), false)
      assert.equal(writer.wakes(0), false)
      readers[0].take()
      assert.equal(readers[0].sleep(), true)
      readers[0].wake()
      assert.equal(writer.wakes(0), false)
    })

    it("is never slept through, whatever happens in between", () => {
      let slept = 0
      let awake = 0
      // Two operations, and one more where there is something to read.
      for (const schedule of schedules([3, 2])) {
        const { publisher, readers } = group(1)
        let rung = false
        const sleeps = inOrder(schedule, () => readers[0].sleep(), [
          () => publisher.publish(),
          () => {
            rung = publisher.writer.wakes(0)
          },
        ])
        assert.ok(!sleeps || rung, `${JSON.stringify(schedule)}`)
        if (sleeps) slept++
        else awake++
      }
      assert.ok(slept > 0 && awake > 0)
    })

    it("is never slept through when the sender is the one that is interrupted", () => {
      for (const schedule of schedules([3, 1])) {
        const { publisher, readers } = group(1)
        let sleeps = false
        const rung = inOrder(schedule, () => {
          publisher.publish()
          return publisher.writer.wakes(0)
        }, [() => (sleeps = readers[0].sleep())])
        assert.ok(!sleeps || rung, `${JSON.stringify(schedule)}`)
      }
    })

    it("ends by one bell also where the sender and another reader ring", () => {
      for (const schedule of schedules([2, 1])) {
        const { publisher, readers } = group(2)
        readers[0].sleep()
        let found = 0
        const rung = inOrder(schedule, () => publisher.writer.wakes(0), [() => (found = readers[1].sleepers().length)])
        assert.equal(found + (rung ? 1 : 0), 1, `${JSON.stringify(schedule)}`)
      }
    })

    it("of many ends for each once, two by each", () => {
      const { publisher, readers } = group(SLOTS)
      const [first, ...others] = readers
      const closed = others.splice(10, 3)
      const awake = others.splice(20, 2)
      for (const reader of others) assert.equal(reader.sleep(), true)
      for (const reader of closed) reader.sleep()
      for (const reader of closed) reader.close()
      publisher.publish()
      const rung = new Set<number>()
      for (const waking = [first]; waking.length > 0; ) {
        const found = waking.shift()?.sleepers() ?? []
        assert.ok(found.length <= 2)
        for (const { host, port } of found) {
          assert.equal(host, "127.0.0.1")
          assert.ok(!rung.has(port), `${port} was rung twice`)
          rung.add(port)
          waking.push(readers[port - 7_000])
        }
      }
      assert.equal(rung.size, others.length)
      for (const reader of awake) assert.ok(!rung.has(7_000 + readers.indexOf(reader)))
    })

    it("does not end by a bell of the one that sleeps", () => {
      const { publisher, readers } = group(2)
      readers[0].sleep()
      publisher.publish()
      assert.deepEqual(readers[0].sleepers(), [])
      assert.equal(readers[1].sleepers().length, 1)
    })

    it("does not end where there is nothing to read", () => {
      const { publisher, readers } = group(2)
      readers[0].sleep()
      assert.deepEqual(readers[1].sleepers(), [])
      publisher.publish()
      assert.equal(readers[1].sleepers().length, 1)
    })

    it("says where to ring, as far as it fits", () => {
      const publisher = new Publisher(native)
      const long = `fe80::1%${"x".repeat(100)}`
      publisher.open(publisher.offer(long, 65_535)).sleep()
      const other = publisher.open(publisher.offer("::1", 1))
      publisher.publish()
      assert.deepEqual(other.sleepers(), [{ host: long.slice(0, 64), port: 65_535 }])
      other.take()
      assert.ok(other.sleep())
      publisher.publish()
      publisher.words[slotAt(1) + HOST_LENGTH] = -1
      assert.deepEqual(publisher.reader().sleepers(), [])
    })
  })

  describe("goals", () => {
    /** As a sender that has to wait: goals, the wish, a look. True = it need not wait. */
    function wait(publisher: Publisher, goals: readonly number[], any = false): boolean {
      const { writer } = publisher
      for (const [slot, goal] of goals.entries()) writer.aim(slot, goal)
      writer.want()
      return arrived(publisher, goals, any)
    }

    function arrived({ writer }: Publisher, goals: readonly number[], any: boolean): boolean {
      const there = goals.map((goal, slot) => writer.position(slot, 1) >= goal)
      return any ? there.includes(true) : !there.includes(false)
    }

    it("are rung for once, by the last that arrives", () => {
      const { publisher, readers } = group(3)
      assert.equal(readers[0].moved(9), false)
      assert.equal(wait(publisher, [10, 20, 30]), false)
      assert.equal(readers[1].moved(25), false)
      assert.equal(readers[0].moved(9), false)
      assert.equal(readers[0].moved(10), false)
      assert.equal(readers[2].moved(29), false)
      assert.equal(readers[2].moved(30), true)
      for (const reader of readers) assert.equal(reader.moved(31), false)
    })

    it("are rung for by the first that arrives, where the sender waits for any", () => {
      const { publisher, readers } = group(3, true)
      assert.equal(wait(publisher, [10, 20, 30], true), false)
      assert.equal(readers[1].moved(19), false)
      assert.equal(readers[1].moved(20), true)
      assert.equal(readers[0].moved(10), false)
    })

    it("do not count in slots that are free, or abandoned, or whose readers have not begun", () => {
      const { publisher, readers } = group(4)
      const late = publisher.reader()
      publisher.offer()
      assert.equal(wait(publisher, [10, 10, 10, 10, 10, 10]), false)
      readers[0].close()
      publisher.writer.abandon(1)
      assert.equal(late.moved(1), false)
      assert.equal(readers[2].moved(10), false)
      assert.equal(readers[3].moved(10), true)
    })

    it("are not rung for when the sender does not wait any more", () => {
      const { publisher, readers } = group(1)
      assert.equal(wait(publisher, [10]), false)
      publisher.writer.unwant()
      assert.equal(readers[0].moved(10), false)
    })

    it("and positions may be of any size", () => {
      for (const start of [2 ** 31, 2 ** 32, 5 * 2 ** 32, 2 ** 47]) {
        const { publisher, readers } = group(1)
        const { writer } = publisher
        readers[0].moved(start - 3)
        assert.equal(writer.position(0, start - 10), start - 3)
        writer.aim(0, start + 2)
        writer.want()
        assert.equal(readers[0].moved(start + 1), false)
        assert.equal(writer.position(0, start - 3), start + 1)
        assert.equal(readers[0].moved(start + 2), true)
        // What a report has told meanwhile may be ahead.
        assert.equal(writer.position(0, start + 9), start + 2)
        assert.equal(publisher.words[slotAt(0) + POSITION], (start + 2) | 0)
      }
    })

    for (const any of [false, true]) {
      it(`are never passed in silence, whatever happens in between${any ? ", where any is waited for" : ""}`, () => {
        const goals = [10, 20]
        const rings = { none: 0, one: 0 }
        const { publisher, readers } = group(2, any)
        const { writer } = publisher
        const begin = (): void => {
          writer.unwant()
          for (const [slot, reader] of readers.entries()) {
            reader.moved(1)
            writer.aim(slot, 1)
          }
        }
        begin()
        wait(publisher, goals)
        if (!any) readers[1].moved(20)
        const most = operationsOf(() => readers[0].moved(10))
        // A reader moves; meanwhile the sender sets goals, wishes and looks, and the other reader moves.
        for (const schedule of schedules([most, 3, 1])) {
          begin()
          let goesOn = false
          let other = false
          const rang = inOrder(
            schedule,
            () => readers[0].moved(10),
            [
              () => {
                for (const [slot, goal] of goals.entries()) writer.aim(slot, goal)
              },
              () => writer.want(),
              () => {
                goesOn = arrived(publisher, goals, any)
              },
            ],
            [() => (other = readers[1].moved(20))],
          )
          assert.ok(!(rang && other), `rung twice: ${JSON.stringify(schedule)}`)
          assert.ok(goesOn || rang || other, `not rung: ${JSON.stringify(schedule)}`)
          if (rang || other) rings.one++
          else rings.none++
        }
        assert.ok(rings.one > 0 && rings.none > 0, JSON.stringify(rings))
      })
    }
  })

  it("a slot that is given anew does not ring for the one before", () => {
    const { publisher, readers } = group(1)
    readers[0].sleep()
    readers[0].close()
    publisher.writer.abandon(0)
    assert.equal(publisher.offer().slot, 0)
    assert.equal(publisher.words[slotAt(0) + WANTED], 0)
    const other = publisher.reader()
    begin(publisher, other)
    assert.deepEqual(other.sleepers(), [])
  })
}
