import assert from "node:assert/strict"
import { checkPattern, matches, overlaps } from "../../../core/subject.ts"
import { Coverage } from "../../../patterns/fabric/foreign/coverage.ts"
import { tokensOf } from "../../../patterns/fabric/foreign/prefix-pattern.ts"
import { readRequest } from "../../../patterns/fabric/foreign/request-frames.ts"
import { Random } from "../../support/random.ts"

const bytes = (text: string): Buffer => Buffer.from(text)

describe("fabric: subscriptions for prefixes", () => {
  const patternOf = (prefix: string | Buffer): string | null => {
    const tokens = tokensOf(Buffer.from(prefix as string))
    return tokens === null ? null : [...tokens, ">"].join(".")
  }

  it("goes by the whole tokens of a prefix", () => {
    assert.equal(patternOf(""), ">")
    assert.equal(patternOf("ord"), ">")
    assert.equal(patternOf("orders."), "orders.>")
    assert.equal(patternOf("orders.eu"), "orders.>")
    assert.equal(patternOf("orders.eu."), "orders.eu.>")
    assert.equal(patternOf("größe."), "größe.>")
    // A prefix may end within a sign of several bytes.
    assert.equal(patternOf(bytes("a.ö").subarray(0, 3)), "a.>")
  })

  it("asks for nothing where no subject can begin so", () => {
    for (const prefix of [".", ".a", "a..", "a b", "a.*.", "a.>.x", "a\0", "\n", "$heddle.", "$heddle.stats"])
      assert.equal(patternOf(prefix), null, JSON.stringify(prefix))
    // Half a sign, and then a dot.
    assert.equal(patternOf(Buffer.from([0xc3, 0x2e, 0x61])), null)
    assert.equal(patternOf("x".repeat(1_025)), null)
    assert.equal(patternOf(`${"x".repeat(1_023)}.`), null)
    checkPattern(patternOf(`${"x".repeat(1_022)}.`) as string)
  })

  it("has one subscription for what a message matches, whatever comes and goes, and none that nobody needs", () => {
    const random = new Random(7)
    const open = new Set<string>()
    const coverage = new Coverage(pattern => {
      assert.ok(!open.has(pattern))
      open.add(pattern)
      return () => assert.ok(open.delete(pattern))
    })
    const prefixes = ["", "a", "a.", "a.b", "a.b.", "a.b.c.", "a.c.", "b.", "b.a.", "b.a.b.c.d.", "bad..", "c.a.a."]
    const subjects = ["a", "a.b", "a.b.c", "a.b.c.d", "a.c.x", "b.a", "b.a.b.c.d.e", "c.a.a.a", "d"]
    const held: string[] = []
    for (let step = 0; step < 2_000; step++) {
      if (held.length === 0 || random.chance(0.5)) {
        const prefix = random.pick(prefixes)
        held.push(prefix)
        coverage.add(bytes(prefix))
      } else coverage.remove(bytes(held.splice(random.int(0, held.length - 1), 1)[0]))
      for (const one of open) for (const other of open) assert.ok(one === other || !overlaps(one, other))
      for (const subject of subjects) {
        const wanted = held.some(prefix => subject.startsWith(prefix))
        const found = [...open].filter(pattern => matches(pattern, subject)).length
        assert.ok(wanted ? found === 1 : found <= 1, `${subject} by ${[...open]} for ${held}`)
      }
      const needed = new Set(held.map(patternOf))
      for (const pattern of open) assert.ok(needed.has(pattern))
    }
    for (const prefix of held) coverage.remove(bytes(prefix))
    assert.deepEqual([...open], [])
  })

  it("starts the wider one before the narrower end, and the other way round", () => {
    const log: string[] = []
    const coverage = new Coverage(pattern => {
      log.push(`+${pattern}`)
      return () => void log.push(`-${pattern}`)
    })
    coverage.add(bytes("a.b."))
    coverage.add(bytes("a."))
    coverage.add(bytes("a.c."))
    coverage.remove(bytes("a."))
    assert.deepEqual(log.slice(0, 3), ["+a.b.>", "+a.>", "-a.b.>"])
    assert.deepEqual(log.slice(3, 5).sort(), ["+a.b.>", "+a.c.>"])
    assert.deepEqual(log.slice(5), ["-a.>"])
  })
})

describe("fabric: frames of requests of ZeroMQ clients", () => {
  const read = (...frames: string[]): unknown => {
    const request = readRequest(frames.map(bytes))
    return (
      request && [request.envelope.map(String), request.subject && `${request.subject}`, request.payload?.toString()]
    )
  }

  it("are read with and without an envelope", () => {
    assert.deepEqual(read("", "s", "p"), [[""], "s", "p"])
    assert.deepEqual(read("", "s"), [[""], "s", undefined])
    assert.deepEqual(read("7", "", "s", "p"), [["7", ""], "s", "p"])
    assert.deepEqual(read("7", "", "s", ""), [["7", ""], "s", ""])
    assert.deepEqual(read("7", "", "s"), [["7", ""], "s", undefined])
    assert.deepEqual(read("s", "p"), [[], "s", "p"])
    assert.deepEqual(read("s", ""), [[], "s", ""])
    assert.deepEqual(read("s"), [[], "s", undefined])
  })

  it("that are no request are answered where there is an envelope", () => {
    assert.deepEqual(read("", "s", "p", "more"), [[""], null, undefined])
    assert.deepEqual(read("7", "8", ""), [["7", "8", ""], null, undefined])
    assert.deepEqual(read(""), [[""], null, undefined])
    assert.equal(read("a", "b", "c"), null)
    assert.equal(read(...Array(40).fill("hop"), "", "s", "p"), null)
  })
})
