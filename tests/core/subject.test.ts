import assert from "node:assert/strict"
import { HeddleError } from "../../core/errors.ts"
import {
  checkGroup,
  checkPattern,
  checkSubject,
  covers,
  isAsciiSubject,
  isLiteral,
  MAX_GROUP,
  MAX_SUBJECT,
  matches,
  overlaps,
} from "../../core/subject.ts"
import { type Random, seeded } from "../support/random.ts"

type Check = (text: string) => void

function refuses(check: Check, text: unknown, why: RegExp): void {
  assert.throws(
    () => check(text as string),
    (error: unknown) => {
      assert.ok(error instanceof HeddleError, String(error))
      assert.equal(error.code, "EINVAL")
      assert.match(error.message, why)
      assert.ok(error.message.length < 700, "quotes a bad name in part only")
      return true
    },
    `${JSON.stringify(text)} was let through`,
  )
}

/** What matching means, by the book: split, and compare token by token. */
function matchesByTheBook(pattern: string, subject: string): boolean {
  const wanted = pattern.split(".")
  const given = subject.split(".")
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === ">" && i === wanted.length - 1) return given.length > i
    if (i >= given.length || (wanted[i] !== "*" && wanted[i] !== given[i])) return false
  }
  return wanted.length === given.length
}

/** Every subject of up to `depth` tokens over an alphabet: `z` stands for all the names that no pattern has. */
function allSubjects(depth: number, tokens: readonly string[]): string[] {
  let level = [...tokens]
  const all = [...level]
  for (let i = 1; i < depth; i++) {
    level = level.flatMap(start => tokens.map(token => `${start}.${token}`))
    all.push(...level)
  }
  return all
}

function randomPattern(random: Random): string {
  const tokens = Array.from({ length: random.int(1, 4) }, () => random.pick(["a", "b", "a*", "*", "*"]))
  if (random.chance(0.3)) tokens[tokens.length - 1] = ">"
  return tokens.join(".")
}

describe("Subject", () => {
  describe("grammar", () => {
    const good = [
      "a",
      "orders.eu.123",
      "$SYS.x",
      "_INBOX.abc.1",
      "foo*",
      "*foo",
      "f>o",
      ">>",
      "**",
      "foo.b*r",
      "é.日本.😀",
    ]
    for (const subject of good)
      it(`takes ${subject}`, () => {
        checkSubject(subject)
        checkPattern(subject)
      })

    for (const check of [checkSubject, checkPattern]) {
      it(`${check.name} refuses what is no name`, () => {
        for (const value of [undefined, null, 7, {}, Buffer.from("a")]) refuses(check, value, /expected a string, got/)
        refuses(check, "", /empty/)
        refuses(check, ".", /empty token at index 0/)
        refuses(check, ".a", /empty token at index 0/)
        refuses(check, "a.", /empty token at index 2/)
        refuses(check, "a..b", /empty token at index 2/)
        for (const space of [" ", "\t", "\n", "\f", "\r"])
          for (const text of [space, `a${space}`, `${space}a`, `a.b${space}c.d`])
            refuses(check, text, /whitespace at index/)
        refuses(check, "a.\0", /NUL at index 2/)
      })

      it(`${check.name} refuses what UTF-8 cannot encode`, () => {
        for (const text of ["\ud83d", "a\udc00", "\ude00\ud83d", "\ud83d.\ude00", "\ud83d\ud83d\ude00"])
          refuses(check, text, /lone surrogate at index/)
      })

      it(`${check.name} counts bytes, not letters`, () => {
        for (const letter of ["a", "é", "日", "😀"]) {
          const most = Math.floor(MAX_SUBJECT / Buffer.byteLength(letter))
          check(letter.repeat(most))
          refuses(check, letter.repeat(most + 1), /longer than 1024 bytes/)
        }
        check(`é${"a".repeat(MAX_SUBJECT - 2)}`)
        refuses(check, `é${"a".repeat(MAX_SUBJECT - 1)}`, /longer than/)
        refuses(check, "a.".repeat(1_000_000), /longer than/)
      })
    }

    it("has no wildcards in what is published", () => {
      for (const [subject, index] of Object.entries({ "*": 0, ">": 0, "a.*": 2, "a.*.b": 2, "*.b": 0, "a.b.>": 4 }))
        refuses(checkSubject, subject, new RegExp(`wildcard at index ${index}; publish needs a literal subject`))
    })

    it("has wildcards in patterns, > at the end only", () => {
      for (const pattern of ["*", ">", "*.*", "a.*", "a.*.b", "*.>", "a.*.>"]) checkPattern(pattern)
      for (const [pattern, index] of Object.entries({ ">.a": 0, "a.>.b": 2, ">.>": 0 }))
        refuses(checkPattern, pattern, new RegExp(`">" at index ${index} is not the last token`))
    })

    it("names queue groups freely, without whitespace", () => {
      for (const name of ["workers", "a.b", "a..b", "*", ">", "g".repeat(MAX_GROUP), "日".repeat(85)]) checkGroup(name)
      refuses(checkGroup, "", /empty/)
      refuses(checkGroup, null, /got null/)
      refuses(checkGroup, "a b", /whitespace at index 1/)
      refuses(checkGroup, "a\0", /NUL/)
      refuses(checkGroup, "\ud800", /surrogate/)
      refuses(checkGroup, "g".repeat(MAX_GROUP + 1), /longer than 256 bytes/)
      refuses(checkGroup, "日".repeat(86), /longer than 256 bytes/)
    })
  })

  it("knows literals: wildcards are whole tokens only", () => {
    for (const literal of ["a", "foo*", "*foo", "**", "f>o", ">>", "a.b>", "foo.b*r", "a.>b.c"])
      assert.equal(isLiteral(literal), true, literal)
    for (const wild of ["*", ">", "a.*", "*.a", "a.*.b", "a*.*", "a.>", "*.>"])
      assert.equal(isLiteral(wild), false, wild)
  })

  describe("matching", () => {
    const yes: [pattern: string, subject: string][] = [
      ["foo", "foo"],
      ["foo.*", "foo.bar"],
      ["*.bar", "foo.bar"],
      ["*", "foo"],
      [">", "foo"],
      [">", "foo.bar.baz"],
      ["foo.>", "foo.bar"],
      ["foo.>", "foo.bar.baz"],
      ["foo.*.>", "foo.bar.baz"],
      ["foo*", "foo*"],
      ["f>o", "f>o"],
    ]
    const no: [pattern: string, subject: string][] = [
      ["foo.>", "foo"],
      ["foo.*", "foo"],
      ["foo.*", "foo.bar.baz"],
      ["foo.*.>", "foo.bar"],
      ["foo", "foo.bar"],
      ["foo.bar", "foo"],
      ["foo", "Foo"],
      ["foo", "fo"],
      ["fo", "foo"],
      ["foo*", "foobar"],
      ["foo.*r", "foo.bar"],
      ["*.*", "foo"],
      ["foo.>", "food.x"],
    ]
    for (const [pattern, subject] of yes) it(`${pattern} gets ${subject}`, () => assert.ok(matches(pattern, subject)))
    for (const [pattern, subject] of no)
      it(`${pattern} does not get ${subject}`, () => assert.ok(!matches(pattern, subject)))

    it("is what the book says", () =>
      seeded(random => {
        const subjects = allSubjects(4, ["a", "b", "a*", "z"])
        for (let i = 0; i < 200; i++) {
          const pattern = randomPattern(random)
          for (const subject of subjects)
            assert.equal(matches(pattern, subject), matchesByTheBook(pattern, subject), `${pattern} and ${subject}`)
        }
      }))

    it("never throws for what the checks refuse", () => {
      const texts = ["", ".", "..", "a.", ".a", "*", ">", ">.a", "*.", "a.>.b", "\ud800", "*..*"]
      for (const a of texts) {
        assert.equal(typeof isLiteral(a), "boolean")
        for (const b of texts)
          for (const question of [matches, overlaps, covers]) assert.equal(typeof question(a, b), "boolean")
      }
    })
  })

  /** Five tokens: one more than the patterns have, so that `>` shows. */
  describe("two patterns", () => {
    const subjects = allSubjects(5, ["a", "b", "a*", "z"])

    it("overlap when one subject matches both", () =>
      seeded(random => {
        const seen = { true: 0, false: 0 }
        for (let i = 0; i < 500; i++) {
          const a = randomPattern(random)
          const b = randomPattern(random)
          const expected = subjects.some(subject => matches(a, subject) && matches(b, subject))
          seen[`${expected}`]++
          assert.equal(overlaps(a, b), expected, `${a} and ${b}`)
          assert.equal(overlaps(b, a), expected, `${b} and ${a}`)
        }
        assert.ok(seen.true > 0 && seen.false > 0)
      }))

    it("cover when all subjects of the one match the other", () =>
      seeded(random => {
        const seen = { true: 0, false: 0 }
        for (let i = 0; i < 500; i++) {
          const wide = randomPattern(random)
          const narrow = random.chance(0.1) ? wide : randomPattern(random)
          const expected = subjects.every(subject => !matches(narrow, subject) || matches(wide, subject))
          seen[`${expected}`]++
          assert.equal(covers(wide, narrow), expected, `${wide} over ${narrow}`)
        }
        assert.ok(seen.true > 0 && seen.false > 0)
      }))
  })
})

describe("isAsciiSubject", () => {
  it("agrees with checkSubject for bytes at any place, and has no other letters", () =>
    seeded(random => {
      for (let i = 0; i < 20_000; i++) {
        const letters = ["a", "b", ".", ".", "*", ">", random.pick([" ", "\0", "\t", "é", "$", "c"])]
        const subject =
          i % 1000 === 0
            ? "a".repeat(random.int(MAX_SUBJECT - 1, MAX_SUBJECT + 1))
            : Array.from({ length: random.int(0, 8) }, () => random.pick(letters)).join("")
        let valid = /^[!-~]*$/.test(subject)
        try {
          checkSubject(subject)
        } catch {
          valid = false
        }
        const around = random.pick([".", "a", ""])
        const bytes = Buffer.from(`${around}${subject}${around}`)
        const start = around.length
        assert.equal(isAsciiSubject(bytes, start, bytes.length - start), valid, JSON.stringify(subject))
      }
    }))
})
