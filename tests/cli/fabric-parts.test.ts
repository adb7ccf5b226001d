import assert from "node:assert/strict"
import { jsonOf, payloadReader } from "../../cli/fabric/payload.ts"
import { Rates } from "../../cli/fabric/rates.ts"
import { tableLines } from "../../cli/table.ts"
import type { NodeStats } from "../../index.ts"

function read(text: string | Buffer, flags: Parameters<typeof payloadReader>[0] = {}) {
  const { data, codec } = payloadReader(flags)(Buffer.from(text as string))
  return [codec, data]
}

describe("heddle on a fabric: payloads", () => {
  it("a text that is JSON is a value, any other is a string, and what is no text is bytes", () => {
    assert.deepEqual(read('{"id":7}'), ["msgpack", { id: 7 }])
    assert.deepEqual(read("[1,null]"), ["msgpack", [1, null]])
    assert.deepEqual(read("-7"), ["msgpack", -7])
    assert.deepEqual(read('"7"'), ["msgpack", "7"])
    assert.deepEqual(read("hello {"), ["string", "hello {"])
    assert.deepEqual(read(""), ["string", ""])
    const bytes = Buffer.from([0xff, 0xfe])
    assert.deepEqual(read(bytes), ["bytes", bytes])
  })

  it("a number that would come out otherwise is a string", () => {
    for (const text of ["1.50", "12345678901234567890", "1e3", " 7", "-0"])
      assert.deepEqual(read(text), ["string", text])
  })

  it("the options say what it is whatever it looks like", () => {
    assert.deepEqual(read("7", { string: true }), ["string", "7"])
    assert.deepEqual(read("7", { bytes: true }), ["bytes", Buffer.from("7")])
    assert.deepEqual(read("7", { json: true }), ["json", 7])
    assert.deepEqual(read('"a"', { msgpack: true }), ["msgpack", "a"])
    assert.throws(() => read("hello", { json: true }), /input: not JSON/)
    assert.throws(() => read("hello", { json: true, bytes: true }), /--json and --bytes exclude each other/)
  })

  it("what JSON has no form for gets one", () => {
    const value = {
      bytes: Buffer.from([1, 2]),
      view: new Uint8Array([9, 3, 4]).subarray(1),
      big: 2n ** 64n,
      map: new Map([["a", 1]]),
      set: new Set([1, 2]),
      date: new Date(0),
    }
    assert.equal(
      jsonOf(value),
      '{"bytes":{"base64":"AQI="},"view":{"base64":"AwQ="},"big":"18446744073709551616","map":{"a":1},"set":[1,2],"date":"1970-01-01T00:00:00.000Z"}',
    )
  })
})

describe("heddle: tables", () => {
  it("columns are as wide as what is in them; names cannot steer the terminal", () => {
    const lines = tableLines(
      [{ head: "NAME" }, { head: "N", right: true }, { head: "X" }],
      [
        ["a", "1", ""],
        ["\x1b[2Jb\n", "1,234", "y"],
      ],
    )
    assert.deepEqual(lines, ["NAME        N  X", "a           1", "\u{fffd}[2Jb\u{fffd}  1,234  y"])
  })
})

describe("heddle top: rates", () => {
  function node(
    name: string,
    sent: number,
    subjects: Record<string, number>,
    extra: Partial<NodeStats> = {},
  ): NodeStats {
    return {
      node: name,
      name,
      pid: 1,
      roundTrip: 1,
      cpu: 0,
      memory: 0,
      stats: {
        messagesSent: sent,
        messagesReceived: 0,
        bytesSent: sent * 10,
        bytesReceived: 0,
        dropped: 0,
        dropReasons: { full: 0, conflated: 0, stale: 0, malformed: 0, unacknowledged: 0 },
        gaps: 0,
        missing: 0,
        requests: 0,
        tasks: { outstanding: 0, queued: 0, acknowledged: 0, redelivered: 0, failed: 0, deadLettered: 0, late: 0 },
        peers: [],
        takers: [],
        clients: [],
        subjects: Object.entries(subjects).map(([subject, messagesSent]) => ({
          subject,
          messagesSent,
          messagesReceived: 0,
          bytesSent: 0,
          bytesReceived: 0,
        })),
      },
      ...extra,
    }
  }

  it("are what counters grew by, a second, over all nodes", () => {
    const rates = new Rates()
    assert.equal(rates.update({ nodes: [node("a", 100, { x: 50 }), node("b", 0, { x: 5 })], silent: [] }, 1_000), null)
    const second = rates.update(
      { nodes: [node("a", 200, { x: 150, y: 8 }, { cpu: 1_000 }), node("b", 0, { x: 15 })], silent: [] },
      3_000,
    )
    assert.deepEqual(
      second?.nodes.map(one => [one.name, one.messagesSent, one.bytesSent, one.cpu]),
      [
        ["a", 50, 500, 50],
        ["b", 0, 0, 0],
      ],
    )
    assert.deepEqual(
      second?.subjects.map(one => [one.subject, one.published, one.total]),
      [
        ["x", 55, 165],
        // It was not there before: all of it is new.
        ["y", 4, 8],
      ],
    )
    assert.equal(second?.published, 59)
  })

  it("a newcomer has no rates yet, one that began anew none below zero, one that left is forgotten", () => {
    const rates = new Rates()
    rates.update({ nodes: [node("a", 100, { x: 50 })], silent: [] }, 0)
    const second = rates.update(
      { nodes: [node("a", 10, { x: 5 }), node("new", 1_000, { x: 1_000 })], silent: [] },
      1_000,
    )
    assert.deepEqual(
      second?.nodes.map(one => one.messagesSent),
      [0, 0],
    )
    assert.equal(second?.published, 0)
    assert.equal(rates.update({ nodes: [], silent: [] }, 2_000)?.nodes.length, 0)
    assert.equal(rates.update({ nodes: [node("a", 10, {})], silent: [] }, 3_000), null)
  })

  it("of a node that tells of its busiest subjects only, one that comes up has no rate at first", () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`s${i}`, 1]))
    const rates = new Rates()
    rates.update({ nodes: [node("a", 0, many)], silent: [] }, 0)
    const second = rates.update({ nodes: [node("a", 0, { old: 1_000_000 })], silent: [] }, 1_000)
    assert.equal(second?.subjects[0].published, 0)
  })
})
