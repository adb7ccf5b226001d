import assert from "node:assert/strict"
import { SubscriberPattern } from "../../../patterns/pubsub/subscriber-pattern.ts"
import { FakePipe, PATTERN_OPTIONS } from "../../support/fake-pipe.ts"
import { Lent } from "../../support/lent.ts"
import { received } from "./support.ts"

const settingsOf = () => ({ ...PATTERN_OPTIONS, invertMatching: false })
const subscriber = (settings: Partial<ReturnType<typeof settingsOf>> = {}): SubscriberPattern =>
  new SubscriberPattern({ ...settingsOf(), ...settings })
const publisher = (pattern: SubscriberPattern): FakePipe => new FakePipe(pattern, { socketType: "PUB" })
const topic = (name: string): Buffer => Buffer.from(name)

describe("SubscriberPattern", () => {
  describe("what must not happen", () => {
    it("SUB-1, SUB-5 gives nothing without a subscription, and counts it", () => {
      const pattern = subscriber()
      const pipe = publisher(pattern)
      pipe.says("a")
      assert.deepEqual(received(pattern.inbox), [])
      assert.deepEqual(pipe.dropped, { filtered: 1 })
    })

    it("SUB-3 to take back what was not given changes nothing, and tells nobody", () => {
      const pattern = subscriber()
      const pipe = publisher(pattern)
      pattern.unsubscribe(topic("a"))
      pattern.subscribe(topic("b"))
      pattern.unsubscribe(topic("a"))
      assert.deepEqual(pipe.controls, [["SUBSCRIBE", "b"]])
      assert.equal(pattern.topicsCount, 1)
    })

    it("SUB-5 gives nothing any more that was cancelled, though the publisher sends it still", () => {
      const pattern = subscriber()
      const pipe = publisher(pattern)
      pattern.subscribe(topic("a"))
      pipe.says("a1")
      pattern.unsubscribe(topic("a"))
      pipe.says("a2")
      assert.deepEqual(received(pattern.inbox), ["a1"])
      assert.deepEqual(pipe.dropped, { filtered: 1 })
    })
  })

  it("SUB-5 filters what is lent, too, by the first frame, and as it is at the moment", () => {
    for (const invertMatching of [false, true]) {
      const settings = { ...settingsOf(), invertMatching }
      const pattern = new SubscriberPattern(settings)
      const pipe = publisher(pattern)
      const got: string[] = []
      const consumer = pattern.inbox.borrow((bytes, start, end) => got.push(bytes.toString("latin1", start, end)))
      pattern.subscribe(topic("a"))
      const lends = (...frames: string[]): boolean => pattern.lend(pipe, new Lent(frames.map(topic)))
      assert.deepEqual([lends("a1"), lends("b", "a"), lends("a", "b"), lends("")], [true, true, true, true])
      assert.deepEqual(got, invertMatching ? ["b", "a", ""] : ["a1", "a", "b"])
      assert.deepEqual(pipe.dropped, { filtered: 2 })
      consumer.stop()
      // What nobody borrows is not taken, unless nobody wants it anyway.
      assert.deepEqual([lends("a"), lends("b")], [invertMatching, !invertMatching])
    }
  })

  it("SUB-1 gives messages whose first frame begins with a topic, from its publishers in turn", () => {
    const pattern = subscriber()
    const [one, two] = [publisher(pattern), publisher(pattern)]
    pattern.subscribe(topic("a"))
    one.says("a1")
    one.says("a2", "b")
    one.says("b", "a")
    two.says("a3")
    two.says("")
    assert.deepEqual(received(pattern.inbox), ["a1", "a3", "a2|b"])
  })

  it("SUB-1 the empty topic is everything, the empty frame included", () => {
    const pattern = subscriber()
    const pipe = publisher(pattern)
    pattern.subscribe(topic(""))
    pipe.says("")
    pipe.says("x")
    assert.deepEqual(received(pattern.inbox), ["", "x"])
  })

  it("SUB-2, SUB-3 tells every subscription at once, and the end when all were taken back", () => {
    const pattern = subscriber()
    const [one, two] = [publisher(pattern), publisher(pattern)]
    pattern.subscribe(topic("a"))
    pattern.subscribe(topic("a"))
    pattern.unsubscribe(topic("a"))
    for (const pipe of [one, two]) {
      assert.deepEqual(pipe.controls, [
        ["SUBSCRIBE", "a"],
        ["SUBSCRIBE", "a"],
      ])
    }
    one.says("a")
    assert.deepEqual(received(pattern.inbox), ["a"])
    pattern.unsubscribe(topic("a"))
    for (const pipe of [one, two]) assert.deepEqual(pipe.controls[2], ["CANCEL", "a"])
    one.says("a")
    assert.deepEqual(received(pattern.inbox), [])
  })

  it("SUB-4 tells a new connection all topics, each once, and again the next one", () => {
    const pattern = subscriber()
    pattern.subscribe(topic("a"))
    pattern.subscribe(topic("a"))
    pattern.subscribe(topic(""))
    pattern.subscribe(topic("gone"))
    pattern.unsubscribe(topic("gone"))
    const pipe = new FakePipe(pattern, {}, false)
    assert.deepEqual(pipe.controls, [])
    pipe.goesOnline()
    const all = [
      ["SUBSCRIBE", ""],
      ["SUBSCRIBE", "a"],
    ]
    assert.deepEqual(pipe.controls.splice(0).sort(), all)
    pipe.goesOffline()
    pattern.subscribe(topic("b"))
    assert.deepEqual(pipe.controls, [], "nobody is there to be told")
    pipe.goesOnline()
    assert.deepEqual(pipe.controls.sort(), [...all, ["SUBSCRIBE", "b"]])
  })

  it("SUB-4 tells more topics than any high-water mark, also of a pipe that is full", () => {
    const pattern = subscriber()
    for (let i = 0; i < 5000; i++) pattern.subscribe(topic(`topic ${i}`))
    const pipe = new FakePipe(pattern, { room: 0 })
    assert.equal(new Set(pipe.controls.map(([, name]) => name)).size, 5000)
  })

  it("SUB-6 gives what does not match with invertMatching", () => {
    const settings = settingsOf()
    const pattern = new SubscriberPattern(settings)
    const pipe = publisher(pattern)
    pattern.subscribe(topic("a"))
    settings.invertMatching = true
    pipe.says("a")
    pipe.says("b")
    assert.deepEqual(received(pattern.inbox), ["b"])
    assert.deepEqual(pipe.dropped, { filtered: 1 })
  })

  it("SUB-7 stops reading at the high-water mark, on the next connection too", () => {
    const pattern = subscriber({ receiveHighWaterMark: 2 })
    const pipe = new FakePipe(pattern, {}, false)
    pattern.subscribe(topic(""))
    pipe.goesOnline()
    pipe.says("a")
    pipe.says("b")
    assert.equal(pipe.paused, true)
    pipe.goesOffline()
    pipe.paused = false
    pipe.goesOnline()
    assert.equal(pipe.paused, true)
    assert.deepEqual(received(pattern.inbox), ["a", "b"])
    assert.equal(pipe.paused, false)
  })

  it("SUB-7 what came before the publisher left stays readable", () => {
    const pattern = subscriber()
    const pipe = publisher(pattern)
    pattern.subscribe(topic(""))
    pipe.says("last")
    pipe.leaves()
    assert.deepEqual(received(pattern.inbox), ["last"])
  })

  it("SUB-8 keeps the newest message of each publisher with conflate, all frames of it", () => {
    const pattern = subscriber({ conflate: true })
    const [one, two] = [publisher(pattern), publisher(pattern)]
    pattern.subscribe(topic(""))
    for (const word of ["a", "b", "c"]) one.says(word, `${word} body`)
    two.says("x", "y")
    one.says("d", "d body")
    assert.deepEqual(received(pattern.inbox), ["d|d body", "x|y"])
    assert.deepEqual(one.dropped, { conflated: 3 })
  })
})
