import assert from "node:assert/strict"
import type { HeddleError } from "../../../core/errors.ts"
import { RadioPattern } from "../../../patterns/radio-dish/radio.ts"
import { FakePipe, PATTERN_OPTIONS } from "../../support/fake-pipe.ts"

const settingsOf = () => ({ ...PATTERN_OPTIONS, noDrop: false, maxGroups: 1_000_000 })
const radio = (settings: Partial<ReturnType<typeof settingsOf>> = {}): RadioPattern =>
  new RadioPattern({ ...settingsOf(), ...settings })

/** A dish in these groups. */
function dish(pattern: RadioPattern, ...groups: string[]): FakePipe {
  const pipe = new FakePipe(pattern, { socketType: "DISH" })
  for (const group of groups) pipe.notes("JOIN", group)
  return pipe
}

const send = (pattern: RadioPattern, group: string | Buffer, body: string): boolean =>
  pattern.outbox.trySend(body, { group })

describe("RadioPattern", () => {
  describe("what must not happen", () => {
    it("RADIO-2 rejects several frames, a long group, and none", async () => {
      const pattern = radio()
      assert.throws(() => pattern.outbox.trySend(["a", "b"], { group: "g" }), { code: "EINVAL" })
      assert.throws(() => send(pattern, "g".repeat(256), "a"), { code: "EINVAL" })
      assert.throws(() => send(pattern, "é".repeat(128), "a"), { code: "EINVAL" })
      assert.throws(() => pattern.outbox.trySend("a"), TypeError)
      await assert.rejects(pattern.outbox.send("a", { group: 7 as unknown as string }), TypeError)
    })

    it("RADIO-4 drops what nobody joined, and counts it as no-peer", () => {
      const pattern = radio()
      assert.equal(send(pattern, "g", "early"), true)
      const pipe = dish(pattern, "other")
      assert.equal(send(pattern, "g", "a"), true)
      assert.deepEqual(pipe.taken(), [])
      assert.deepEqual(pattern.dropped, { "no-peer": 2 })
    })

    it("RADIO-8 refuses a group of more than 255 bytes", () => {
      const pattern = radio()
      const pipe = dish(pattern, "g".repeat(255))
      assert.equal(pipe.isClosed, false)
      pipe.notes("JOIN", "g".repeat(256))
      const error = pipe.closedWith as HeddleError
      assert.equal(error.code, "ERR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED")
      assert.equal(error.fatal, true)
      pipe.notes("JOIN", "late")
      send(pattern, "late", "a")
      send(pattern, "g".repeat(255), "a")
      assert.deepEqual(pipe.taken(), [])
    })

    it("RADIO-8 refuses more groups than allowed, and has none of them any more", () => {
      const pattern = radio({ maxGroups: 2 })
      const pipe = dish(pattern, "a", "b", "b")
      assert.equal(pipe.isClosed, false, "a repeated one is not one more")
      pipe.notes("JOIN", "c")
      assert.equal((pipe.closedWith as HeddleError).code, "ERR_SUBSCRIPTION_LIMIT")
      send(pattern, "a", "x")
      assert.deepEqual(pipe.taken(), [])
    })

    it("RADIO-8 has no limit with maxGroups 0", () => {
      const pattern = radio({ maxGroups: 0 })
      const pipe = dish(pattern, ...Array.from({ length: 3000 }, (_, i) => `${i}`))
      assert.equal(pipe.isClosed, false)
    })

    it("RADIO-9 drops messages of its peers, and ignores notices that are none of its own", () => {
      const pattern = radio()
      const pipe = dish(pattern)
      pipe.says("hello")
      pipe.notes("SUBSCRIBE", "g")
      send(pattern, "g", "a")
      assert.deepEqual(pipe.dropped, { malformed: 1 })
      assert.deepEqual(pipe.taken(), [])
    })
  })

  it("RADIO-1 sends two frames to those that joined exactly the group", () => {
    const pattern = radio()
    const [g, gg, both, empty] = [dish(pattern, "g"), dish(pattern, "gg"), dish(pattern, "g", "gg"), dish(pattern, "")]
    for (const group of ["g", "gg", "", "ggg"]) send(pattern, group, `to ${group}`)
    assert.deepEqual(g.taken(), ["g|to g"])
    assert.deepEqual(gg.taken(), ["gg|to gg"])
    assert.deepEqual(both.taken(), ["g|to g", "gg|to gg"])
    assert.deepEqual(empty.taken(), ["|to "])
  })

  it("RADIO-1 takes groups as text and as bytes: text is UTF-8, never Latin-1", () => {
    const pattern = radio()
    const utf8 = dish(pattern, Buffer.from("é").toString("latin1"))
    const latin1 = dish(pattern, "é")
    send(pattern, "é", "1")
    send(pattern, "é", "2")
    send(pattern, Buffer.from("é", "latin1"), "3")
    send(pattern, Buffer.from("é"), "4")
    assert.deepEqual(
      utf8.taken().map(message => message.split("|")[1]),
      ["1", "2", "4"],
    )
    assert.deepEqual(
      latin1.taken().map(message => message.split("|")[1]),
      ["3"],
    )
  })

  it("RADIO-1 goes on with many groups, more than it remembers by name", () => {
    const pattern = radio()
    const pipe = dish(pattern, "g0", "g9999")
    for (let i = 0; i < 10_000; i++) send(pattern, `g${i}`, "x")
    send(pattern, "g0", "y")
    assert.deepEqual(pipe.taken(), ["g0|x", "g9999|x", "g0|y"])
  })

  it("RADIO-2 a group ends at its first NUL, on both sides", () => {
    const pattern = radio()
    const pipe = dish(pattern, "g\u0000one")
    send(pattern, "g\u0000two", "a")
    send(pattern, `g\u0000${"x".repeat(300)}`, "b")
    send(pattern, Buffer.from("g"), "c")
    assert.deepEqual(pipe.taken(), ["g|a", "g|b", "g|c"])
  })

  it("RADIO-3 counts how often a peer joined", () => {
    const pattern = radio()
    const pipe = dish(pattern, "g", "g")
    const other = dish(pattern, "g")
    send(pattern, "g", "once")
    pipe.notes("LEAVE", "unknown")
    pipe.notes("LEAVE", "g")
    send(pattern, "g", "still")
    pipe.notes("LEAVE", "g")
    pipe.notes("LEAVE", "g")
    send(pattern, "g", "no more")
    assert.deepEqual(pipe.taken(), ["g|once", "g|still"])
    assert.deepEqual(other.taken(), ["g|once", "g|still", "g|no more"])
  })

  it("RADIO-5 drops for a full peer only, and never waits", async () => {
    const pattern = radio()
    const [slow, quick] = [dish(pattern, "g"), dish(pattern, "g")]
    slow.room = 1
    for (const body of ["a", "b"]) await pattern.outbox.send(body, { group: "g" })
    assert.deepEqual(slow.taken(), ["g|a"])
    assert.deepEqual(slow.dropped, { full: 1 })
    assert.deepEqual(quick.taken(), ["g|a", "g|b"])
    assert.equal(pattern.canSend, true)
  })

  it("RADIO-6 with noDrop waits for room, for a leave, and for an end", async () => {
    const pattern = radio({ noDrop: true })
    const [slow, quick] = [dish(pattern, "g"), dish(pattern, "g")]
    const ends = [() => slow.drains(1), () => slow.leaves(), () => other.notes("LEAVE", "g")]
    const other = dish(pattern)
    for (const end of ends) {
      if (slow.isClosed) other.notes("JOIN", "g")
      slow.room = 0
      other.room = 0
      assert.equal(send(pattern, "g", "refused"), false)
      assert.equal(pattern.canSend, false)
      assert.equal(send(pattern, "another", "a"), true, "it is not for the one that is full")
      const sent = pattern.outbox.send("a", { group: "g" })
      assert.deepEqual(quick.taken(), [])
      end()
      await sent
      assert.deepEqual(quick.taken(), ["g|a"])
    }
    assert.deepEqual(slow.taken(), ["g|a"])
    assert.equal(pattern.canSend, false, "a connected peer is full, who knows which group is next")
    other.room = 1
    assert.equal(pattern.canSend, true)
  })

  it("RADIO-7 forgets what a peer joined when its connection ends", () => {
    const pattern = radio()
    const pipe = new FakePipe(pattern, {}, false)
    pipe.goesOnline()
    pipe.notes("JOIN", "g")
    pipe.goesOffline()
    pipe.goesOnline()
    send(pattern, "g", "a")
    pipe.notes("JOIN", "g")
    send(pattern, "g", "b")
    assert.deepEqual(pipe.taken(), ["g|b"])
  })

  describe("over datagrams", () => {
    const address = (pattern: RadioPattern, online = true, room?: number): FakePipe =>
      new FakePipe(pattern, { socketType: "DISH", largestDatagram: 20, room }, online)

    it("RADIO-11 sends every group, before it is online, too, and until it is gone", () => {
      const pattern = radio()
      const pipe = address(pattern, false)
      send(pattern, "a", "1")
      pipe.goesOnline()
      send(pattern, "b", "2")
      pipe.goesOffline()
      send(pattern, "", "3")
      assert.deepEqual(pipe.taken(), ["a|1", "b|2", "|3"])
      assert.deepEqual(pattern.dropped, {})
      pattern.detach(pipe)
      send(pattern, "a", "4")
      assert.deepEqual(pattern.dropped, { "no-peer": 1 })
    })

    it("RADIO-11 sends once to each, whoever joined, came and left in whichever order", () => {
      const pattern = radio()
      const early = dish(pattern, "a")
      const first = address(pattern)
      const late = dish(pattern, "a", "b")
      const second = address(pattern)
      const taken = (): string[][] => [early, first, late, second].map(pipe => pipe.taken())
      send(pattern, "a", "1")
      assert.deepEqual(taken(), [["a|1"], ["a|1"], ["a|1"], ["a|1"]])
      send(pattern, "b", "2")
      assert.deepEqual(taken(), [[], ["b|2"], ["b|2"], ["b|2"]])
      late.notes("LEAVE", "b")
      first.leaves()
      send(pattern, "b", "3")
      send(pattern, "a", "4")
      assert.deepEqual(taken(), [["a|4"], [], ["a|4"], ["b|3", "a|4"]])
      second.leaves()
      early.leaves()
      send(pattern, "a", "5")
      send(pattern, "b", "6")
      assert.deepEqual(taken(), [[], [], ["a|5"], []])
      assert.deepEqual(pattern.dropped, { "no-peer": 1 })
    })

    it("RADIO-11 hears no notices there", () => {
      const pattern = radio({ maxGroups: 1 })
      const pipe = address(pattern)
      for (const group of ["a", "b"]) pipe.notes("JOIN", group)
      pipe.notes("LEAVE", "a")
      send(pattern, "a", "1")
      assert.deepEqual(pipe.taken(), ["a|1"])
      assert.equal(pipe.isClosed, false)
    })

    it("RADIO-12 sends to nobody what is too long for one of them", () => {
      const pattern = radio()
      const joined = dish(pattern, "grp")
      const pipe = address(pattern)
      assert.throws(() => send(pattern, "grp", "x".repeat(17)), { code: "EMSGSIZE" })
      assert.equal(send(pattern, "grp", "x".repeat(16)), true)
      for (const one of [joined, pipe]) assert.deepEqual(one.taken(), [`grp|${"x".repeat(16)}`])
      pipe.leaves()
      assert.equal(send(pattern, "grp", "x".repeat(17)), true)
      assert.equal(joined.taken().length, 1)
    })

    it("RADIO-5, RADIO-6 drops when it is full, or waits with noDrop", async () => {
      const dropping = radio()
      const full = address(dropping, true, 0)
      assert.equal(send(dropping, "g", "a"), true)
      assert.deepEqual(full.dropped, { full: 1 })
      const waiting = radio({ noDrop: true })
      const pipe = address(waiting, true, 0)
      assert.equal(waiting.canSend, false)
      const sent = waiting.outbox.send("a", { group: "g" })
      pipe.drains(1)
      await sent
      assert.deepEqual(pipe.taken(), ["g|a"])
      const gone = waiting.outbox.send("b", { group: "g" })
      pipe.leaves()
      await gone
    })
  })
})
