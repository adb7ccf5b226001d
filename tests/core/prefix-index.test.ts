import assert from "node:assert/strict"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Chains } from "../../core/prefix-chains.ts"
import { TopicCounter } from "../../core/prefix-counter.ts"
import { hashWord, hashWords } from "../../core/prefix-hash.ts"
import { PrefixIndex, TopicChange } from "../../core/prefix-index.ts"
import { ANSWER, Level, REFERENCE } from "../../core/prefix-level.ts"
import { Pool } from "../../core/prefix-pool.ts"

interface Peer {
  name: string
}

const { OWNER, TOPIC } = TopicChange
const peers = (count: number): Peer[] => Array.from({ length: count }, (_, i) => ({ name: `peer ${i}` }))
const bytes = (text: string): Buffer => Buffer.from(text)
const names = (owners: readonly Peer[]): string[] => owners.map(owner => owner.name).sort()

/** What the index must be, in the plainest words. */
class Model {
  readonly topics = new Map<string, Set<Peer>>()

  add(topic: Buffer, owner: Peer): number {
    const key = topic.toString("latin1")
    const owners = this.topics.get(key)
    if (owners === undefined) this.topics.set(key, new Set([owner]))
    else if (owners.has(owner)) return 0
    else owners.add(owner)
    return owners === undefined ? OWNER | TOPIC : OWNER
  }

  remove(topic: Buffer, owner: Peer): number {
    const key = topic.toString("latin1")
    const owners = this.topics.get(key)
    if (owners === undefined || !owners.delete(owner)) return 0
    if (owners.size > 0) return OWNER
    this.topics.delete(key)
    return OWNER | TOPIC
  }

  removeOwner(owner: Peer): string[] {
    const gone: string[] = []
    for (const topic of this.topicsOf(owner))
      if (this.remove(Buffer.from(topic, "latin1"), owner) & TOPIC) gone.push(topic)
    return gone
  }

  topicsOf(owner: Peer): string[] {
    return [...this.topics].filter(([, owners]) => owners.has(owner)).map(([topic]) => topic)
  }

  match(topic: Buffer): Set<Peer> {
    const key = topic.toString("latin1")
    const found = new Set<Peer>()
    for (const [prefix, owners] of this.topics) if (key.startsWith(prefix)) for (const owner of owners) found.add(owner)
    return found
  }
}

/** A generator that a seed determines (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (((mixed ^ (mixed >>> 14)) >>> 0) % below) | 0
  }
}

const givenSeed = process.env.HEDDLE_SEED
const newSeed = (): number => (givenSeed === undefined ? (Math.random() * 2 ** 31) | 0 : Number(givenSeed))

/** Topics of two letters, 0 to 300 bytes, that are prefixes of one another all the time. */
function overlapping(random: (below: number) => number): Buffer {
  const length = random(3) > 0 ? random(7) : random(4) > 0 ? 56 + random(20) : random(301)
  // Long ones differ in one place, or hardly any would share a prefix.
  const topic = Buffer.alloc(length, "a")
  if (length < 7) for (let i = 0; i < length; i++) topic[i] += random(2)
  else if (random(2) === 0) topic[random(length)] = 98
  return topic
}

describe("PrefixIndex", () => {
  it("says what add and remove changed: the owner's set, and the topics of all", () => {
    const index = new PrefixIndex<Peer>()
    const [ada, bob] = peers(2)
    assert.equal(index.add(bytes("a"), ada), OWNER | TOPIC)
    assert.equal(index.add(bytes("a"), ada), 0, "a set, no counter")
    assert.equal(index.add(bytes("a"), bob), OWNER)
    assert.equal(index.add(bytes("a"), bob), 0)
    assert.deepEqual([index.topicsCount, index.size], [1, 2])
    assert.equal(index.remove(bytes("b"), ada), 0)
    assert.equal(index.remove(bytes(""), ada), 0)
    assert.equal(index.remove(bytes("a"), { name: "stranger" }), 0)
    assert.equal(index.remove(bytes("a"), ada), OWNER)
    assert.equal(index.remove(bytes("a"), ada), 0)
    assert.equal(index.remove(bytes("a"), bob), OWNER | TOPIC)
    assert.equal(index.remove(bytes("a"), bob), 0)
    assert.deepEqual([index.topicsCount, index.size, index.countOf(ada), index.bytesOf(ada)], [0, 0, 0, 0])
  })

  it("finds every owner of a prefix once, and the empty topic is a prefix of everything", () => {
    const index = new PrefixIndex<Peer>()
    const [ada, bob, cyd] = peers(3)
    index.add(bytes("a"), ada)
    index.add(bytes("ab"), ada)
    index.add(bytes("ab"), bob)
    index.add(bytes("abc"), cyd)
    assert.deepEqual(names(index.match(bytes("abcd"))), names([ada, bob, cyd]))
    assert.deepEqual(names(index.match(bytes("abd"))), names([ada, bob]))
    assert.deepEqual(names(index.match(bytes("a"))), names([ada]))
    assert.deepEqual(names(index.match(bytes("b"))), [])
    assert.deepEqual(names(index.match(bytes(""))), [])
    assert.equal(index.has(bytes("")), false)
    index.add(bytes(""), cyd)
    assert.deepEqual(names(index.match(bytes("b"))), names([cyd]))
    assert.deepEqual(names(index.match(bytes(""))), names([cyd]))
    assert.equal(index.has(bytes("")), true)
  })

  it("takes bytes as they are, zero bytes too", () => {
    const index = new PrefixIndex<Peer>()
    const [ada, bob, cyd] = peers(3)
    index.add(Buffer.from([0]), ada)
    index.add(Buffer.from([0, 0]), bob)
    index.add(Buffer.from([255, 0, 128, 255, 254]), cyd)
    assert.deepEqual(names(index.match(Buffer.from([0]))), names([ada]))
    assert.deepEqual(names(index.match(Buffer.from([0, 0, 0]))), names([ada, bob]))
    assert.deepEqual(names(index.match(Buffer.from([255, 0, 128, 255, 254, 1]))), names([cyd]))
    assert.deepEqual([...index.topicsOf(cyd)], [Buffer.from([255, 0, 128, 255, 254])])
  })

  it("keeps copies: the caller's buffer may change afterwards", () => {
    const index = new PrefixIndex<Peer>()
    const [ada] = peers(1)
    const topic = bytes("a".repeat(100))
    index.add(topic, ada)
    topic.fill(0)
    assert.equal(index.has(bytes("a".repeat(100))), true)
  })

  describe("the array that match returns", () => {
    it("is the same one for the same set, whatever topics it comes from", () => {
      const index = new PrefixIndex<Peer>()
      const all = peers(50)
      for (const owner of all) for (const topic of ["x", "y"]) index.add(bytes(topic), owner)
      index.add(bytes("z"), all[0])
      index.add(bytes("zz"), all[0])
      index.add(bytes("u"), all[0])
      index.add(bytes("uv"), all[1])
      index.add(bytes("w"), all[1])
      index.add(bytes("w"), all[0])
      const crowd = index.match(bytes("x1"))
      assert.equal(crowd.length, 50)
      assert.equal(index.match(bytes("x1")), crowd)
      assert.equal(index.match(bytes("x2")), crowd)
      assert.equal(index.match(bytes("y")), crowd)
      assert.equal(index.match(bytes("zz")), index.match(bytes("z")), "twice the same owner is one")
      assert.equal(index.match(bytes("u")), index.match(bytes("z")))
      assert.equal(index.match(bytes("uv")).length, 2)
      assert.equal(index.match(bytes("uv")), index.match(bytes("uvw")), "a union is remembered")
      assert.equal(index.match(bytes("uv")), index.match(bytes("w")), "a union and a topic with the same owners")
      assert.equal(index.match(bytes("none")), index.match(bytes("nothing")))
      assert.equal(index.match(bytes("none")), new PrefixIndex<Peer>().match(bytes("")), "nobody is nobody everywhere")
    })

    it("never changes; when the set changes it is another array", () => {
      const index = new PrefixIndex<Peer>()
      const [ada, bob, cyd] = peers(3)
      index.add(bytes("a"), ada)
      const one = index.match(bytes("a"))
      index.add(bytes("a"), bob)
      const two = index.match(bytes("a"))
      index.add(bytes(""), cyd)
      const three = index.match(bytes("a"))
      index.removeOwner(bob)
      const left = index.match(bytes("a"))
      index.removeOwner(ada)
      index.removeOwner(cyd)
      assert.deepEqual(names(one), names([ada]))
      assert.deepEqual(names(two), names([ada, bob]))
      assert.deepEqual(names(three), names([ada, bob, cyd]))
      assert.deepEqual(names(left), names([ada, cyd]))
      assert.deepEqual(names(index.match(bytes("a"))), [])
      assert.equal(new Set([one, two, three, left]).size, 4)
    })

    it("is right, too, when the random keys of sets happen to be the same", () => {
      const { random } = Math
      const index = new PrefixIndex<Peer>()
      const all = peers(6)
      try {
        Math.random = () => 0.5
        for (let i = 0; i < 4; i++) for (let j = 0; j < 3; j++) index.add(bytes(`${i}`), all[i + j])
      } finally {
        Math.random = random
      }
      for (let i = 0; i < 4; i++) assert.deepEqual(names(index.match(bytes(`${i}`))), names(all.slice(i, i + 3)))
    })

    it("is right, too, when there are more different sets than are kept", () => {
      const seed = newSeed()
      const random = generator(seed)
      const index = new PrefixIndex<Peer>()
      const model = new Model()
      const all = peers(120)
      // 80 sets of about 60, and as many unions with each of 40 more: many times the members that are kept.
      for (let i = 0; i < 80; i++) {
        for (const owner of all) {
          const topic = bytes(`t${String.fromCharCode(40 + i)}`)
          if (random(2) === 0) assert.equal(index.add(topic, owner), model.add(topic, owner))
        }
      }
      for (let i = 0; i < 40; i++) {
        for (let j = 0; j < 80; j++) {
          const topic = bytes(`t${String.fromCharCode(40 + j)}${String.fromCharCode(40 + i)}`)
          for (let k = 0; k < 2; k++) {
            const owner = all[random(120)]
            assert.equal(index.add(topic, owner), model.add(topic, owner))
          }
        }
      }
      for (let round = 0; round < 2; round++) {
        for (const topic of model.topics.keys()) {
          const found = index.match(bytes(topic))
          const expected = [topic, topic.slice(0, 2)].flatMap(prefix => [...(model.topics.get(prefix) ?? [])])
          assert.deepEqual(new Set(found), new Set(expected), `seed ${seed}`)
          assert.equal(found.length, new Set(expected).size, `seed ${seed}`)
        }
      }
    })
  })

  describe("removeOwner", () => {
    it("tells of the topics that nobody else has, oldest first", () => {
      const index = new PrefixIndex<Peer>()
      const [ada, bob] = peers(2)
      for (const topic of ["", "a", "b", "c"]) index.add(bytes(topic), ada)
      for (const topic of ["b", "d"]) index.add(bytes(topic), bob)
      const gone: string[] = []
      index.removeOwner(ada, topic => gone.push(topic.toString()))
      assert.deepEqual(gone, ["", "a", "c"])
      assert.deepEqual([...index.topicsOf(ada)], [])
      assert.deepEqual([...index.topicsOf(bob)].map(String), ["b", "d"])
      index.removeOwner(ada, () => assert.fail("it has nothing any more"))
      index.removeOwner(bob)
      assert.deepEqual([index.topicsCount, index.size, index.bytes], [0, 0, new PrefixIndex<Peer>().bytes])
    })

    it("ends even when its callback gives the owner new topics", () => {
      const index = new PrefixIndex<Peer>()
      const [ada] = peers(1)
      for (const topic of ["a", "b", "c"]) index.add(bytes(topic), ada)
      const gone: string[] = []
      index.removeOwner(ada, topic => {
        gone.push(topic.toString())
        index.add(topic, ada)
      })
      assert.deepEqual(gone, ["a", "b", "c"])
      assert.deepEqual([...index.topicsOf(ada)].map(String), ["a", "b", "c"])
      assert.deepEqual(names(index.match(bytes("a"))), names([ada]))
      assert.equal(index.countOf(ada), 3)
    })

    it("leaves nothing of the owner alive", async () => {
      setFlagsFromString("--expose-gc")
      const collect = runInNewContext("gc") as () => void
      const index = new PrefixIndex<Peer>()
      const [bob, cyd] = peers(2)
      const watched = ((): WeakRef<Peer> => {
        const ada = { name: "ada" }
        for (const owner of [ada, bob, cyd]) index.add(bytes("a"), owner)
        index.add(bytes(""), ada)
        index.add(bytes("b"), bob)
        for (const topic of ["a", "b", ""]) index.match(bytes(topic))
        index.removeOwner(ada)
        return new WeakRef(ada)
      })()
      // A WeakRef holds its target until the job that made it has ended.
      for (let i = 0; i < 10 && watched.deref() !== undefined; i++) {
        await new Promise(resolve => setImmediate(resolve))
        collect()
      }
      assert.equal(watched.deref(), undefined)
      assert.deepEqual(names(index.match(bytes("a"))), names([bob, cyd]))
    })
  })

  it("counts topics and bytes per owner, for limits", () => {
    const index = new PrefixIndex<Peer>()
    const [ada, bob] = peers(2)
    for (const topic of ["a", "bcd", "", "a"]) index.add(bytes(topic), ada)
    index.add(bytes("bcd"), bob)
    assert.deepEqual([index.countOf(ada), index.bytesOf(ada), index.countOf(bob), index.bytesOf(bob)], [3, 4, 1, 3])
    const topics: string[] = []
    index.forEachTopic(topic => topics.push(topic.toString()))
    assert.deepEqual(topics.sort(), ["", "a", "bcd"])
    index.remove(bytes("bcd"), ada)
    assert.deepEqual([index.countOf(ada), index.bytesOf(ada), index.topicsCount, index.size], [2, 1, 3, 3])
  })

  it("lets a thousand owners join and leave a topic in any order", () => {
    const index = new PrefixIndex<Peer>()
    const all = peers(1000)
    for (const owner of all) assert.ok(index.add(bytes("a"), owner) & OWNER)
    for (const owner of all) assert.equal(index.add(bytes("a"), owner), 0)
    assert.equal(new Set(index.match(bytes("a"))).size, 1000)
    for (let i = 0; i < 1000; i++) {
      const owner = all[(i * 387) % 1000]
      assert.equal(index.remove(bytes("a"), owner), i === 999 ? OWNER | TOPIC : OWNER)
      assert.equal(index.remove(bytes("a"), owner), 0)
      if (i % 100 === 0) assert.equal(index.match(bytes("a")).length, 999 - i)
    }
    assert.equal(index.has(bytes("a")), false)
  })

  it("has topics of any length, at and around every boundary inside", () => {
    const lengths = [0, 1, 2, 3, 4, 5, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 127, 128, 129, 255, 256, 257, 4095, 4096]
    lengths.push(4097, 65534, 65535, 65536, 65537, 100_000)
    const index = new PrefixIndex<Peer>()
    const empty = index.bytes
    const all = peers(lengths.length)
    const full = Buffer.alloc(100_001, "heddle")
    for (let i = lengths.length - 1; i >= 0; i--) index.add(full.subarray(0, lengths[i]), all[i])
    for (const [i, length] of lengths.entries()) {
      const message = full.subarray(0, length)
      assert.deepEqual(names(index.match(message)), names(all.slice(0, i + 1)))
      if (length === 0) continue
      // One byte less, or another last byte, and the last topic does not match.
      assert.deepEqual(names(index.match(message.subarray(0, length - 1))), names(all.slice(0, i)))
      const other = Buffer.from(message)
      other[length - 1] ^= 1
      assert.deepEqual(names(index.match(other)), names(all.slice(0, i)))
    }
    for (const [i, length] of lengths.entries()) {
      assert.deepEqual([...index.topicsOf(all[i])], [full.subarray(0, length)])
      assert.equal(index.remove(full.subarray(0, length), all[i]), OWNER | TOPIC)
      assert.deepEqual(names(index.match(full)), names(all.slice(i + 1)))
    }
    assert.equal(index.bytes, empty)
  })

  describe("under hostile topics", () => {
    /** A message that counts how many different bytes of it were looked at. */
    function watched(message: Buffer): { topic: Buffer; seen: Set<string> } {
      const seen = new Set<string>()
      const topic = new Proxy(message, {
        get(target, property) {
          if (typeof property === "string" && /^\d+$/.test(property)) seen.add(property)
          return Reflect.get(target, property)
        },
      })
      return { topic, seen }
    }

    it("reads no more of a message than 64 bytes or twice what it shares with a topic", () => {
      const index = new PrefixIndex<Peer>()
      const [ada] = peers(1)
      const topic = Buffer.alloc(65_535, "a")
      index.add(topic, ada)
      for (const shared of [0, 1, 63, 64, 65, 100, 1000, 5000, 40_000]) {
        const message = Buffer.alloc(65_535, "a")
        message[shared] = 98
        const { topic, seen } = watched(message)
        assert.equal(index.match(topic).length, 0)
        assert.ok(seen.size <= Math.max(64, 2 * shared), `${seen.size} bytes read, ${shared} shared`)
      }
      assert.equal(index.match(topic).length, 1)
      index.remove(topic, ada)
      const { topic: message, seen } = watched(topic)
      assert.equal(index.match(message).length, 0)
      assert.equal(seen.size, 0, "nothing to look for")
    })

    it("copes with a topic of every length, each a prefix of the next, from one owner and from many", () => {
      const index = new PrefixIndex<Peer>()
      const all = peers(3000)
      const full = Buffer.alloc(3000, "a")
      for (let length = 0; length < 3000; length++) index.add(full.subarray(0, length), all[0])
      assert.deepEqual(index.match(full), [all[0]])
      for (let length = 0; length < 3000; length++) index.add(full.subarray(0, length), all[length])
      assert.equal(new Set(index.match(full)).size, 3000)
      assert.equal(index.match(full), index.match(full))
      assert.equal(index.match(full.subarray(0, 10)).length, 11)
      for (const owner of all) index.removeOwner(owner)
      assert.equal(index.bytes, new PrefixIndex<Peer>().bytes)
    })
  })

  describe("memory", () => {
    it("does not grow in a million subscriptions that come and go", () => {
      const random = generator(1)
      const index = new PrefixIndex<Peer>()
      const all = peers(7)
      const live: { topic: Buffer; owner: Peer }[] = []
      let top = 0
      for (let i = 0; i < 1_000_000; i++) {
        const topic = Buffer.allocUnsafe(4 + random(12) + (random(50) === 0 ? 60 + random(200) : 0)).fill(random(256))
        topic.writeInt32LE(i)
        const entry = { topic, owner: all[random(7)] }
        index.add(entry.topic, entry.owner)
        if (live.length < 1000) live.push(entry)
        else {
          const place = random(1000)
          assert.ok(index.remove(live[place].topic, live[place].owner) & OWNER)
          live[place] = entry
        }
        if (i === 100_000) top = index.bytes
        if (i > 100_000 && i % 1000 === 0) assert.ok(index.bytes < top * 1.5, `${index.bytes} bytes, once ${top}`)
      }
      assert.equal(index.size, 1000)
      for (const owner of all) index.removeOwner(owner)
      assert.equal(index.bytes, new PrefixIndex<Peer>().bytes)
    })

    it("stays below 116 bytes a subscription with 16 bytes of topic, and comes back, with tables divided and joined", () => {
      const count = 120_000
      const index = new PrefixIndex<Peer>()
      const all = peers(10)
      const topic = (i: number): Buffer => bytes(`orders.eu.${String(i).padStart(6, "0")}`)
      for (let i = 0; i < count; i++) index.add(topic(i), all[i % 10])
      assert.ok(index.bytes < 116 * count, `${index.bytes / count} bytes each`)
      for (let i = 0; i < count; i++) assert.deepEqual(index.match(topic(i)), [all[i % 10]])
      for (let i = 0; i < 10_000; i++) assert.equal(index.has(bytes(`orders.us.${String(i).padStart(6, "0")}`)), false)
      for (let i = 100; i < count; i++) assert.equal(index.remove(topic(i), all[i % 10]), OWNER | TOPIC)
      for (let i = 0; i < 200; i++) assert.equal(index.has(topic(i)), i < 100)
      let topics = 0
      index.forEachTopic(() => topics++)
      assert.equal(topics, 100)
      for (const owner of all) index.removeOwner(owner)
      assert.equal(index.bytes, new PrefixIndex<Peer>().bytes)
    })
  })

  for (let run = 0; run < 4; run++) {
    const seed = newSeed() + run
    it(`does what a plain model does (HEDDLE_SEED=${seed - run}, run ${run})`, () => {
      const random = generator(seed)
      const index = new PrefixIndex<Peer>()
      const model = new Model()
      const all = peers([3, 12, 40, 1][run])
      const latin1 = (topic: Buffer): string => topic.toString("latin1")
      const handedOut = new Map<readonly Peer[], string[]>()
      for (let step = 0; step < 6000; step++) {
        const topic = overlapping(random)
        const owner = all[random(all.length)]
        const dice = random(100)
        // Waves: for a while more comes than goes, then more goes than comes.
        const growing = Math.floor(step / 1000) % 2 === 0
        if (dice < (growing ? 50 : 20)) assert.equal(index.add(topic, owner), model.add(topic, owner))
        else if (dice < 69) {
          const its = random(2) === 0 ? model.topicsOf(owner) : []
          const chosen = its.length === 0 ? topic : Buffer.from(its[random(its.length)], "latin1")
          assert.equal(index.remove(chosen, owner), model.remove(chosen, owner))
        } else if (dice === 69) {
          const gone: string[] = []
          index.removeOwner(owner, topic => gone.push(latin1(topic)))
          assert.deepEqual(gone.sort(), model.removeOwner(owner).sort())
        } else {
          const found = index.match(topic)
          const expected = model.match(topic)
          assert.equal(found.length, expected.size)
          assert.deepEqual(new Set(found), expected)
          assert.equal(index.has(topic), expected.size > 0)
          assert.equal(index.match(topic), found)
          const before = handedOut.get(found)
          if (before === undefined) handedOut.set(found, names(found))
          else assert.deepEqual(names(found), before, "the same array was another set before")
        }
        if (step % 500 !== 499) continue
        assert.equal(index.topicsCount, model.topics.size)
        for (const owner of all) {
          const its = model.topicsOf(owner).sort()
          assert.deepEqual([...index.topicsOf(owner)].map(latin1).sort(), its)
          assert.equal(index.countOf(owner), its.length)
          assert.equal(index.bytesOf(owner), its.join("").length)
        }
        const topics: string[] = []
        index.forEachTopic(topic => topics.push(latin1(topic)))
        assert.deepEqual(topics.sort(), [...model.topics.keys()].sort())
        assert.equal(
          index.size,
          [...model.topics.values()].reduce((sum, owners) => sum + owners.size, 0),
        )
      }
      for (const [array, members] of handedOut) assert.deepEqual(names(array), members, "an array changed")
      for (const owner of all) index.removeOwner(owner)
      assert.equal(index.bytes, new PrefixIndex<Peer>().bytes)
    })
  }
})

describe("TopicCounter", () => {
  it("counts how often a topic is wanted", () => {
    const counter = new TopicCounter()
    assert.equal(counter.decrement(bytes("a")), -1)
    assert.equal(counter.increment(bytes("a")), 1)
    assert.equal(counter.increment(bytes("a")), 2)
    assert.equal(counter.increment(bytes("")), 1)
    assert.equal(counter.size, 2)
    assert.deepEqual(counter.entries(), [
      [bytes(""), 1],
      [bytes("a"), 2],
    ])
    assert.equal(counter.decrement(bytes("")), 0)
    assert.equal(counter.decrement(bytes("")), -1)
    assert.equal(counter.decrement(bytes("a")), 1)
    assert.equal(counter.has(bytes("abc")), true)
    assert.equal(counter.decrement(bytes("a")), 0)
    assert.equal(counter.has(bytes("abc")), false)
    assert.deepEqual([counter.size, counter.countOf(bytes("a")), counter.entries()], [0, 0, []])
  })

  const seed = newSeed()
  it(`does what a plain model does (HEDDLE_SEED=${seed})`, () => {
    const random = generator(seed)
    const counter = new TopicCounter()
    const model = new Map<string, number>()
    for (let step = 0; step < 6000; step++) {
      const topic = overlapping(random)
      const key = topic.toString("latin1")
      const count = model.get(key) ?? 0
      const dice = random(3)
      if (dice === 0) {
        model.set(key, count + 1)
        assert.equal(counter.increment(topic), count + 1)
      } else if (dice === 1) {
        if (count === 1) model.delete(key)
        else if (count > 1) model.set(key, count - 1)
        assert.equal(counter.decrement(topic), count - 1)
      } else {
        assert.equal(counter.countOf(topic), count)
        assert.equal(
          counter.has(topic),
          [...model.keys()].some(prefix => key.startsWith(prefix)),
        )
      }
      assert.equal(counter.size, model.size)
    }
    const entries = counter.entries().map(([topic, count]): [string, number] => [topic.toString("latin1"), count])
    assert.deepEqual(new Map(entries), model)
  })
})

describe("Level", () => {
  it("finds its way when all hashes are the same", () => {
    const level = new Level(68, new Chains())
    const words = new Int32Array(17)
    const hash = 0x12345678
    const count = 3000
    for (let i = 0; i < count; i++) {
      words[16] = i
      assert.equal(level.find(words, hash), -1)
      level.insert(words, hash, i + 1, i + 7)
    }
    for (let i = 0; i < count; i += 2) {
      words[16] = i
      level.removeAt(level.locate(hash, REFERENCE, i + 7))
      assert.equal(level.answer(words, hash), 0)
    }
    for (let i = 0; i < count; i++) {
      words[16] = i
      assert.equal(level.answer(words, hash), i % 2 === 0 ? 0 : i + 1)
    }
    assert.equal(level.count, count / 2)
  })

  it("gives memory back as it empties", () => {
    const level = new Level(8, new Chains())
    const words = new Int32Array(2)
    const each = level.bytes / 4
    for (let i = 0; i < 60_000; i++) {
      words[0] = i
      level.insert(words, hashWords(words, 0, 2), i + 1, 0)
    }
    assert.ok(level.bytes < (60_000 * each * 8) / 3, "three eighths are in use at least")
    for (let i = 10; i < 60_000; i++) {
      words[0] = i
      level.removeAt(level.find(words, hashWords(words, 0, 2)))
    }
    assert.ok(level.bytes <= 80 * each, "an eighth is in use at least")
    for (let i = 0; i < 10; i++) {
      words[0] = i
      assert.equal(level.answer(words, hashWords(words, 0, 2)), i + 1)
    }
  })

  for (const length of [8, 68]) {
    it(`keeps topics of ${length} bytes apart from free places as it fills up and empties`, () => {
      const seed = newSeed()
      const random = generator(seed)
      const level = new Level(length, new Chains())
      const model = new Map<number, number>()
      const words = new Int32Array(length / 4)
      for (let step = 0; step < 30_000; step++) {
        const key = random(500)
        words[1] = key
        const hash = hashWords(words, 0, words.length)
        assert.equal(level.answer(words, hash), model.get(key) ?? 0, `seed ${seed}, step ${step}`)
        const offset = level.find(words, hash)
        assert.equal(offset >= 0, model.has(key))
        if (offset >= 0 && random(100) < (step % 3000 < 1500 ? 30 : 70)) {
          assert.equal(level.table[offset + ANSWER], model.get(key))
          level.removeAt(offset)
          model.delete(key)
        } else if (offset < 0) {
          level.insert(words, hash, step + 1, 0)
          model.set(key, step + 1)
        }
        assert.equal(level.count, model.size)
      }
    })
  }
})

describe("Pool", () => {
  it("gives every record once, and those given back first", () => {
    const pool = new Pool(3)
    const records = Array.from({ length: 10_000 }, (_, i) => {
      const record = pool.take()
      for (let word = 0; word < 3; word++) pool.set(record, word, i * 3 + word)
      return record
    })
    assert.equal(new Set(records).size, 10_000)
    assert.ok(!records.includes(0))
    for (const [i, record] of records.entries()) assert.equal(pool.get(record, 2), i * 3 + 2)
    const { bytes } = pool
    for (const record of records.slice(5000)) pool.give(record)
    for (let i = 0; i < 5000; i++) assert.ok(pool.take() <= 10_000)
    assert.equal(pool.bytes, bytes)
    for (const record of records) pool.give(record)
    assert.deepEqual([pool.size, pool.bytes], [0, 0])
  })
})

describe("the hash of topics", () => {
  it("depends on every byte and on its place", () => {
    const words = new Int32Array(4)
    const hashes = new Set([hashWords(words, 0, 4)])
    for (let bit = 0; bit < 128; bit++) {
      words.fill(0)
      words[bit >>> 5] = 1 << bit
      hashes.add(hashWords(words, 0, 4))
    }
    // Two of 129 values of 32 bits are the same once in half a million runs.
    assert.ok(hashes.size >= 128)
    assert.notEqual(hashWord(hashWord(0, 1), 2), hashWord(hashWord(0, 2), 1))
  })
})
