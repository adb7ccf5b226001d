import assert from "node:assert/strict"
import { matches, overlaps } from "../../core/subject.ts"
import { SubjectIndex } from "../../core/subject-index.ts"
import { SubjectTrie } from "../../core/subject-trie.ts"
import { LONG_RUN, type Random, seeded } from "../support/random.ts"

const OPERATIONS = LONG_RUN ? 200_000 : 5_000

const found = <T>(index: SubjectIndex<T>, subject: string): T[] => {
  const into: T[] = []
  assert.equal(index.match(subject, into), into.length)
  assert.equal(index.hasMatch(subject), into.length > 0, subject)
  return into.sort()
}

const overlapping = (index: SubjectIndex<string>, pattern: string): string[] => {
  const pairs: string[] = []
  index.forOverlaps(pattern, (value, name) => pairs.push(`${name}=${value}`))
  return pairs.sort()
}

/** The index in the plainest words: a list. */
class Model {
  readonly pairs: [pattern: string, value: string][] = []

  add(pattern: string, value: string): void {
    this.pairs.push([pattern, value])
  }

  remove(pattern: string, value: string): boolean {
    const at = this.pairs.findIndex(pair => pair[0] === pattern && pair[1] === value)
    if (at === -1) return false
    this.pairs.splice(at, 1)
    return true
  }

  match(subject: string): string[] {
    return this.pairs
      .filter(([pattern]) => matches(pattern, subject))
      .map(([, value]) => value)
      .sort()
  }

  overlaps(pattern: string): string[] {
    return this.pairs
      .filter(pair => overlaps(pair[0], pattern))
      .map(([name, value]) => `${name}=${value}`)
      .sort()
  }
}

/** Few names, so that patterns meet; a long one, which the engine keeps as a view of its pattern. */
const NAMES = ["a", "b", "a*", "f>o", "a-rather-long-name"]

function randomSubject(random: Random): string {
  return Array.from({ length: random.int(1, 4) }, () => random.pick([...NAMES, "z"])).join(".")
}

function randomPattern(random: Random): string {
  const tokens = Array.from({ length: random.int(1, 4) }, () => random.pick([...NAMES, "*"]))
  if (random.chance(0.2)) tokens[tokens.length - 1] = ">"
  return tokens.join(".")
}

describe("SubjectIndex", () => {
  it("finds by whole subject, by * and by >", () => {
    const index = new SubjectIndex<string>()
    for (const pattern of ["foo", "foo.bar", "foo.*", "*.bar", "foo.>", ">", "*", "foo.*.baz", "foo*"])
      index.add(pattern, pattern)
    assert.deepEqual(found(index, "foo"), ["*", ">", "foo"])
    assert.deepEqual(found(index, "foo.bar"), ["*.bar", ">", "foo.*", "foo.>", "foo.bar"])
    assert.deepEqual(found(index, "foo.bar.baz"), [">", "foo.*.baz", "foo.>"])
    assert.deepEqual(found(index, "foo*"), ["*", ">", "foo*"])
    assert.deepEqual(found(index, "foobar"), ["*", ">"])
    assert.deepEqual(found(index, "x.y"), [">"])
  })

  it("is empty at first", () => {
    const index = new SubjectIndex<string>()
    assert.deepEqual(found(index, "foo"), [])
    assert.equal(index.size, 0)
    assert.deepEqual([...index.entries()], [])
    assert.equal(index.remove("foo", "x"), false)
    assert.equal(index.remove("*", "x"), false)
  })

  for (const pattern of ["foo", "*", ">", "foo.*.x"]) {
    const subject = pattern.replaceAll("*", "foo").replaceAll(">", "foo")

    it(`holds the same value several times under ${pattern}, in order`, () => {
      const index = new SubjectIndex<string>()
      for (const value of ["c", "a", "b", "a"]) index.add(pattern, value)
      const into = ["before"]
      assert.equal(index.match(subject, into), 4)
      assert.deepEqual(into, ["before", "c", "a", "b", "a"])
      assert.equal(index.remove(pattern, "a"), true)
      assert.deepEqual(found(index, subject), ["a", "b", "c"])
      assert.equal(index.remove(pattern, "a"), true)
      assert.equal(index.remove(pattern, "a"), false)
      assert.equal(index.remove(pattern, "c"), true)
      assert.deepEqual(found(index, subject), ["b"])
      assert.equal(index.remove(pattern, "c"), false)
      assert.equal(index.remove(pattern, "b"), true)
      assert.deepEqual(found(index, subject), [])
      assert.equal(index.size, 0)
    })

    it(`takes values of any kind under ${pattern}`, () => {
      const values = [[1, 2], null, 0, "", false, () => {}]
      const index = new SubjectIndex<unknown>()
      for (const value of values) index.add(pattern, value)
      const into: unknown[] = []
      assert.equal(index.match(subject, into), values.length)
      assert.deepEqual(into, values)
      for (const value of values) {
        const single = new SubjectIndex<unknown>()
        single.add(pattern, value)
        assert.equal(single.hasMatch(subject), true)
        assert.equal(single.match(subject, []), 1)
        assert.equal(single.remove(pattern, value), true)
      }
    })

    it(`changes its generation with each change of ${pattern}, and only then`, () => {
      const index = new SubjectIndex<string>()
      const seen = new Set([index.generation])
      const changed = (): void => {
        assert.ok(!seen.has(index.generation))
        seen.add(index.generation)
      }
      index.add(pattern, "a")
      changed()
      index.add(pattern, "a")
      changed()
      index.remove(pattern, "a")
      changed()
      const before = index.generation
      index.remove(pattern, "b")
      index.remove("other.*", "a")
      index.match(subject, [])
      index.hasMatch(subject)
      assert.equal(index.generation, before)
      index.clear()
      changed()
      assert.equal(index.size, 0)
      assert.deepEqual(found(index, subject), [])
      index.add(pattern, "a")
      changed()
      assert.deepEqual(found(index, subject), ["a"])
    })
  }

  it("tells what overlaps, and may be changed meanwhile", () => {
    const index = new SubjectIndex<string>()
    for (const pattern of ["a", "a.b", "a.b.c", "a.*", "*.b", "b.>", ">"]) index.add(pattern, "x")
    assert.deepEqual(overlapping(index, "a.b"), ["*.b=x", ">=x", "a.*=x", "a.b=x"])
    assert.deepEqual(overlapping(index, "a.*"), ["*.b=x", ">=x", "a.*=x", "a.b=x"])
    assert.deepEqual(overlapping(index, "a.>"), ["*.b=x", ">=x", "a.*=x", "a.b.c=x", "a.b=x"])
    assert.deepEqual(overlapping(index, "b.*.*"), [">=x", "b.>=x"])
    assert.deepEqual(overlapping(index, "a"), [">=x", "a=x"])
    index.forOverlaps(">", (value, pattern) => index.remove(pattern, value))
    assert.equal(index.size, 0)
  })

  it("does not go through its patterns twice to the power of the tokens", () => {
    // All of `*` and `a` at each of 12 positions match: 4,096 patterns, each found once.
    const index = new SubjectIndex<number>()
    for (let bits = 0; bits < 4096; bits++)
      index.add(Array.from({ length: 12 }, (_, i) => ((bits >> i) & 1 ? "a" : "*")).join("."), bits)
    const into: number[] = []
    assert.equal(index.match(Array(12).fill("a").join("."), into), 4096)
    assert.equal(new Set(into).size, 4096)
    assert.equal(index.match(Array(13).fill("a").join("."), into), 0)
    assert.equal(index.match(Array(11).fill("a").join("."), into), 0)
  })

  it("walks subjects of 512 tokens", () => {
    const index = new SubjectIndex<string>()
    const deep = (token: string): string => Array(512).fill(token).join(".")
    index.add(deep("*"), "stars")
    index.add(`${deep("a").slice(0, -1)}>`, "rest")
    assert.deepEqual(found(index, deep("a")), ["rest", "stars"])
    assert.deepEqual(found(index, deep("b")), ["stars"])
    assert.equal(overlapping(index, deep("a")).length, 2)
    assert.equal(index.entries().length, 2)
    assert.equal(index.remove(deep("*"), "stars"), true)
    assert.deepEqual(found(index, deep("b")), [])
  })

  it("agrees with a list", () =>
    seeded(random => {
      const index = new SubjectIndex<string>()
      const model = new Model()
      for (let i = 0; i < OPERATIONS; i++) {
        // Grows for a while, then shrinks, so that nodes come and go.
        const growing = i % 1000 < 600
        if (random.chance(growing ? 0.7 : 0.05)) {
          const pattern = randomPattern(random)
          const value = random.pick(["v", "w", "x"])
          index.add(pattern, value)
          model.add(pattern, value)
        } else {
          const pair =
            model.pairs.length > 0 && random.chance(0.8) ? random.pick(model.pairs) : [randomPattern(random), "w"]
          assert.equal(index.remove(pair[0], pair[1]), model.remove(pair[0], pair[1]))
        }
        assert.equal(index.size, model.pairs.length)
        if (i % 7 > 0) continue
        const subject = randomSubject(random)
        assert.deepEqual(found(index, subject), model.match(subject), subject)
        const pattern = randomPattern(random)
        assert.deepEqual(overlapping(index, pattern), model.overlaps(pattern), pattern)
      }
      assert.deepEqual([...index.entries()].map(String).sort(), model.pairs.map(String).sort())
      for (const [pattern, value] of index.entries()) assert.equal(index.remove(pattern, value), true)
      assert.equal(index.size, 0)
    }))
})

describe("SubjectTrie", () => {
  it("has no nodes left when the last pattern is gone, in whatever order", () =>
    seeded(random => {
      for (let round = 0; round < 20; round++) {
        const trie = new SubjectTrie<number>()
        assert.equal(trie.isEmpty, true)
        const added = Array.from({ length: 100 }, (_, i): [string, number] => [randomPattern(random), i])
        for (const [pattern, value] of added) trie.add(pattern, value)
        while (added.length > 0) {
          assert.equal(trie.isEmpty, false)
          const [[pattern, value]] = added.splice(random.int(0, added.length - 1), 1)
          assert.equal(trie.remove(pattern, -1), false)
          assert.equal(trie.remove(pattern, value), true)
        }
        assert.equal(trie.isEmpty, true)
      }
    }))
})
