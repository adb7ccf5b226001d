import assert from "node:assert/strict"
import { isLiteral, matches } from "../../core/subject.ts"
import { SubjectHits } from "../../core/subject-hits.ts"
import { SubjectIndex } from "../../core/subject-index.ts"
import { SubjectKey } from "../../core/subject-key.ts"
import { SubjectTrie } from "../../core/subject-trie.ts"
import { LONG_RUN, type Random, seeded } from "../support/random.ts"

const OPERATIONS = LONG_RUN ? 200_000 : 5_000

const keyOf = (subject: string): SubjectKey => {
  const key = new SubjectKey()
  key.setText(subject)
  return key
}

const found = <T>(index: SubjectIndex<T>, subject: string): T[] => {
  const into: T[] = []
  assert.equal(index.match(subject, into), into.length)
  assert.equal(index.hasMatch(keyOf(subject)), into.length > 0, subject)
  return into.sort()
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
}

/** Few names, so that patterns meet; a long one, which the engine keeps as a view of its pattern. */
const NAMES = ["a", "b", "a*", "f>o", "a-rather-long-name", "größe", "n".repeat(70)]

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
    assert.deepEqual(index.values(), [])
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
        assert.equal(single.hasMatch(keyOf(subject)), true)
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
      index.hasMatch(keyOf(subject))
      assert.equal(index.generation, before)
      assert.equal(index.remove(pattern, "a"), true)
      changed()
      assert.equal(index.size, 0)
      assert.deepEqual(found(index, subject), [])
      index.add(pattern, "a")
      changed()
      assert.deepEqual(found(index, subject), ["a"])
    })
  }

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
    assert.deepEqual(index.values().sort(), ["rest", "stars"])
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
      }
      assert.deepEqual(index.values().sort(), model.pairs.map(([, value]) => value).sort())
      for (const [pattern, value] of model.pairs) assert.equal(index.remove(pattern, value), true)
      assert.equal(index.size, 0)
    }))
})

/** Subjects of which each has the hash of another one: 32 bits are the same by chance for a few of so many. */
function colliding(): string[] {
  const byHash = new Map<number, string>()
  const found: string[] = []
  for (let i = 0; found.length < 6; i++) {
    const subject = `c.${i}`.padEnd(9, "x")
    const { hash } = keyOf(subject)
    const other = byHash.get(hash)
    if (other === undefined) byHash.set(hash, subject)
    else found.push(other, subject)
  }
  return found
}

describe("SubjectIndex, subjects with the same hash", () => {
  it("are told apart", function () {
    this.timeout(60_000)
    const subjects = colliding()
    const index = new SubjectIndex<string>()
    for (const [i, subject] of subjects.entries()) {
      assert.deepEqual(found(index, subject), [])
      index.add(subject, subject)
      for (const other of subjects.slice(0, i + 1)) assert.deepEqual(found(index, other), [other])
    }
    for (const [i, subject] of subjects.entries()) {
      assert.equal(index.remove(subject, subject), true)
      assert.equal(index.remove(subject, subject), false)
      for (const [j, other] of subjects.entries()) assert.deepEqual(found(index, other), j <= i ? [] : [other])
    }
  })

  it("are told apart as tokens of patterns with wildcards", function () {
    this.timeout(60_000)
    const byHash = new Map<number, string>()
    const pairs: [string, string][] = []
    for (let i = 0; pairs.length < 3; i++) {
      const token = `t${i}`.padEnd(9, "x")
      const other = byHash.get(keyOf(token).hash)
      if (other === undefined) byHash.set(keyOf(token).hash, token)
      else pairs.push([other, token])
    }
    const index = new SubjectIndex<string>()
    for (const [one, other] of pairs) {
      index.add(`*.${one}.>`, one)
      assert.deepEqual(found(index, `a.${other}.b`), [])
      index.add(`*.${other}.>`, other)
      assert.deepEqual(found(index, `a.${one}.b`), [one])
      assert.deepEqual(found(index, `a.${other}.b`), [other])
      assert.equal(index.remove(`*.${one}.>`, one), true)
      assert.deepEqual(found(index, `a.${one}.b`), [])
      assert.deepEqual(found(index, `a.${other}.b`), [other])
    }
  })
})

describe("SubjectIndex, audiences", () => {
  interface Wish {
    readonly id: number
    readonly owner: { readonly name: string }
  }

  it("agree with a list of wishes, and are the same object for the same set", () =>
    seeded(random => {
      const owners = ["a", "b", "c", "d"].map(name => ({ name }))
      const index = new SubjectIndex<Wish, { readonly name: string }>(
        ({ owner }) => owner,
        ({ id }) => id + 1,
      )
      const wishes: [string, Wish][] = []
      const key = new SubjectKey()
      for (let i = 0; i < OPERATIONS; i++) {
        const growing = i % 1000 < 600
        if (random.chance(growing ? 0.7 : 0.05)) {
          const wish = { id: i, owner: random.pick(owners) }
          const pattern = random.pick([randomPattern(random), `many.${random.int(0, 50)}`])
          index.add(pattern, wish)
          wishes.push([pattern, wish])
        } else if (wishes.length > 0) {
          const [[pattern, wish]] = wishes.splice(random.int(0, wishes.length - 1), 1)
          assert.equal(index.remove(pattern, wish), true)
          assert.equal(index.remove(pattern, wish), false)
        }
        if (i % 7 > 0) continue
        const subject = random.pick([randomSubject(random), `many.${random.int(0, 50)}`])
        key.setText(subject)
        const sets = index.audiences(key, [])
        const { label } = index
        const into: { readonly members: readonly { readonly name: string }[] }[] = []
        assert.equal(index.audiences(key, into as never), sets)
        const names = new Set(into.flatMap(({ members }) => members.map(({ name }) => name)))
        const wanted = wishes.filter(([pattern]) => matches(pattern, subject))
        assert.deepEqual([...names].sort(), [...new Set(wanted.map(([, { owner }]) => owner.name))].sort(), subject)
        assert.equal(sets, new Set(wanted.map(([pattern]) => pattern)).size)
        const [[pattern, lone] = ["", undefined]] = wanted.length === 1 ? wanted : []
        assert.equal(label, lone !== undefined && isLiteral(pattern) ? lone.id + 1 : 0)
        for (const one of into) assert.equal(new Set(one.members).size, one.members.length)
      }
    }))

  it("of a million patterns of one owner are one", () => {
    const owner = { name: "a" }
    const index = new SubjectIndex<Wish, { readonly name: string }>(wish => wish.owner)
    for (let i = 0; i < 1000; i++) index.add(i % 2 === 0 ? `x.${i}` : `*.${i}`, { id: i, owner })
    const seen = new Set<unknown>()
    const key = new SubjectKey()
    for (let i = 0; i < 1000; i++) {
      key.setText(`x.${i}`)
      const into: never[] = []
      assert.equal(index.audiences(key, into), 1)
      seen.add(into[0])
    }
    assert.equal(seen.size, 1)
  })
})

describe("SubjectKey", () => {
  it("is the same for a text and for its bytes, at any place", () =>
    seeded(random => {
      const text = new SubjectKey()
      const bytes = new SubjectKey()
      for (let i = 0; i < 300; i++) {
        const letters = random.chance(0.3) ? ["a", "é", "語", "😀", "."] : ["a", "b", ".", "0"]
        const subject = Array.from({ length: random.int(1, 40) }, () => random.pick(letters)).join("")
        const raw = Buffer.from(subject)
        const start = random.int(0, 7)
        const chunk = Buffer.concat([Buffer.alloc(start, "z"), raw, Buffer.alloc(3, "z")])
        text.setText(subject)
        bytes.setBytes(chunk, start, start + raw.length)
        assert.equal(text.length, raw.length)
        assert.equal(bytes.hash, text.hash)
        const words = Math.ceil(raw.length / 4)
        assert.deepEqual(bytes.words.slice(0, words), text.words.slice(0, words))
        const copy = Buffer.alloc(raw.length + 2, "-")
        assert.equal(text.copyTo(copy, 1), raw.length + 1)
        assert.equal(copy.toString(), `-${subject}-`)
      }
    }))
})

describe("SubjectTrie", () => {
  it("has no nodes left when the last pattern is gone, in whatever order", () =>
    seeded(random => {
      for (let round = 0; round < 20; round++) {
        const trie = new SubjectTrie()
        const nodes = trie.size
        assert.equal(trie.isEmpty, true)
        const patterns = [...new Set(Array.from({ length: 100 }, () => randomPattern(random)))].filter(
          pattern => !isLiteral(pattern),
        )
        for (const [i, pattern] of patterns.entries()) {
          assert.equal(trie.find(keyOf(pattern)), false)
          trie.insert(keyOf(pattern), -i - 1, i + 1)
        }
        const left = patterns.map((pattern, i): [string, number] => [pattern, i])
        while (left.length > 0) {
          assert.equal(trie.isEmpty, false)
          const subject = randomSubject(random)
          const hits = new SubjectHits()
          trie.match(keyOf(subject), hits)
          if (hits.count > 0) assert.equal(trie.mayMatch(keyOf(subject).tokens), true)
          assert.deepEqual(
            hits.references.sort((a, b) => a - b),
            left
              .filter(([pattern]) => matches(pattern, subject))
              .map(([, i]) => i + 1)
              .sort((a, b) => a - b),
          )
          const [[pattern, i]] = left.splice(random.int(0, left.length - 1), 1)
          assert.equal(trie.find(keyOf(pattern)), true)
          assert.equal(trie.reference, i + 1)
          assert.equal(trie.answer, -i - 1)
          trie.remove(keyOf(pattern))
          assert.equal(trie.find(keyOf(pattern)), false)
        }
        assert.equal(trie.isEmpty, true)
        assert.equal(trie.size, nodes)
      }
    }))

  it("knows how many tokens the subjects have that it may match", () => {
    const trie = new SubjectTrie()
    const may = () => [1, 2, 3, 4, 5, 9].filter(tokens => trie.mayMatch(tokens))
    assert.deepEqual(may(), [])
    trie.insert(keyOf("a.*"), 0, 1)
    trie.insert(keyOf("*.b"), 0, 2)
    assert.deepEqual(may(), [2])
    trie.insert(keyOf("a.*.c.>"), 0, 3)
    trie.insert(keyOf("a.b.c.d.>"), 0, 4)
    assert.deepEqual(may(), [2, 4, 5, 9])
    for (const pattern of ["a.*", "a.*.c.>"]) {
      trie.find(keyOf(pattern))
      trie.remove(keyOf(pattern))
    }
    assert.deepEqual(may(), [2, 5, 9])
    for (const pattern of ["*.b", "a.b.c.d.>"]) {
      trie.find(keyOf(pattern))
      trie.remove(keyOf(pattern))
    }
    assert.deepEqual(may(), [])
  })
})
