import assert from "node:assert/strict"
import type { PolicyName } from "../../../index.ts"
import { Keeper } from "../../../patterns/fabric/history.ts"
import { Interest, type InterestKind, QUEUE, SERVE, SUBSCRIBE, WORK } from "../../../patterns/fabric/interest.ts"
import type { Link } from "../../../patterns/fabric/link/link.ts"
import { MAX_SUBJECTS } from "../../../patterns/fabric/link/records.ts"
import type { Subscription } from "../../../patterns/fabric/subscription.ts"
import { Topics } from "../../../patterns/fabric/topics.ts"

const LINK = {} as Link
const OTHER = {} as Link

let id = 1

function interest(
  kind: InterestKind,
  link: Link | null,
  {
    policy = "drop-new",
    limit = 10,
    group = "",
    targeted = false,
  }: Partial<{
    policy: PolicyName
    limit: number
    group: string
    targeted: boolean
  }> = {},
): Interest {
  const lane = { policy, limit, keep: 1, ttl: 0 }
  const spec = { id: id++, kind, pattern: "x", group, targeted, policy: lane, history: 0, capacity: 1 }
  return new Interest(spec, link, null)
}

describe("Topics", () => {
  it("FAB-SUB-4 have one plain interest for each peer: the one that would lose least", () => {
    const topics = new Topics()
    const wanted = [
      interest(SUBSCRIBE, LINK, { policy: "conflate", limit: 1_000 }),
      interest(SUBSCRIBE, LINK, { policy: "drop-old", limit: 10 }),
      interest(SUBSCRIBE, LINK, { policy: "drop-old", limit: 20 }),
      interest(SUBSCRIBE, LINK, { policy: "drop-new", limit: 1_000 }),
      interest(SUBSCRIBE, LINK, { policy: "keep-last", limit: 1_000 }),
    ]
    const other = interest(SUBSCRIBE, OTHER)
    for (const one of wanted) topics.interests.add("x.*", one)
    topics.interests.add("x.y", other)
    const { plain, result } = topics.of("x.y")
    assert.deepEqual(new Set(plain), new Set([wanted[2], other]))
    assert.deepEqual(result, { peers: 2, dropped: 0, taken: true })
    assert.deepEqual(topics.of("x.z").plain, [wanted[2]])
    topics.interests.remove("x.*", wanted[2])
    assert.deepEqual(topics.of("x.z").plain, [wanted[1]])
  })

  it("FAB-SUB-1 are sorted by who wants them, and follow every change", () => {
    const topics = new Topics()
    const own = {} as Subscription
    const named = interest(SUBSCRIBE, LINK, { targeted: true, policy: "block" })
    const queue = [interest(QUEUE, LINK, { group: "a" }), interest(QUEUE, null, { group: "a" })]
    const single = interest(QUEUE, LINK, { group: "b" })
    const server = interest(SERVE, LINK)
    const worker = interest(WORK, LINK)
    assert.deepEqual(topics.of("x").result, { peers: 0, dropped: 0, taken: true })
    topics.local.add(">", own)
    for (const one of [named, ...queue, single, server, worker]) topics.interests.add("x", one)
    const topic = topics.of("x")
    assert.deepEqual(topic.plain, [])
    assert.deepEqual(topic.local, [own])
    assert.deepEqual(topic.targeted, [named])
    assert.deepEqual(
      topic.groups.map(({ name, members }) => [name, members.length]),
      [
        ["a", 2],
        ["b", 1],
      ],
    )
    assert.deepEqual(topic.services, [server])
    assert.deepEqual(topic.workers, [worker])
    assert.equal(topic.result.peers, 1)
    for (const one of [named, ...queue, single, server, worker]) topics.interests.remove("x", one)
    topics.local.remove(">", own)
    const after = topics.of("x")
    for (const list of [after.local, after.targeted, after.groups, after.services, after.workers])
      assert.equal(list.length, 0)
    assert.equal(after.result.peers, 0)
  })

  it("FAB-SUB-10 give a subject a number when it is used again, and each number to one subject at a time", () => {
    const topics = new Topics()
    assert.equal(topics.of("once").id, -1)
    assert.equal(topics.of("twice").id, -1)
    assert.ok(topics.of("twice").id >= 0)
    const steady = topics.of("twice")
    const epochs = new Set<number>()
    for (let i = 0; i < 3 * MAX_SUBJECTS; i++) {
      for (let again = 0; again < 2; again++) topics.of(`s.${i}`)
      const topic = topics.of(`s.${i}`)
      assert.ok(topic.id >= 0 && topic.id < MAX_SUBJECTS, `${topic.id}`)
      if (i % 100 === 0) epochs.add(topics.of("twice").epoch)
    }
    assert.equal(topics.of("twice"), steady)
    // What is in steady use hardly ever loses its number: once each time that the clock finds all in use.
    assert.ok(epochs.size <= 4, `${epochs.size}`)
    // All numbers that are in use stand for one subject.
    const used = new Map<number, string>()
    for (const { id, subject } of topics) {
      if (id < 0) continue
      assert.equal(used.get(id), undefined, `${subject} and ${used.get(id)} are both ${id}`)
      used.set(id, subject)
    }
  })

  it("FAB-SUB-10 never number the same state of affairs twice", () => {
    const topics = new Topics()
    const seen = new Set<string>()
    for (let i = 0; i < 2 * MAX_SUBJECTS + 100; i++) {
      topics.of(`s.${i}`)
      const { id, epoch } = topics.of(`s.${i}`)
      assert.equal(seen.has(`${id} ${epoch}`), false)
      seen.add(`${id} ${epoch}`)
    }
  })

  it("FAB-SUB-20 keep so many subjects in mind, not more", () => {
    const topics = new Topics()
    for (let i = 0; i < 5 * MAX_SUBJECTS; i++) topics.of(`s.${i}`)
    assert.ok(topics.size <= MAX_SUBJECTS, `${topics.size}`)
  })

  it("FAB-HIS-6 ask their keeper again when keepers come and go", () => {
    const topics = new Topics()
    const keeper = new Keeper("x.>")
    assert.equal(topics.of("x.y").keeper, null)
    topics.keepers.add("x.>", keeper)
    topics.keepersChanged()
    assert.equal(topics.of("x.y").keeper, keeper)
    assert.equal(topics.of("x.z").keeper, keeper)
    assert.equal(topics.of("y").keeper, null)
    topics.keepers.remove("x.>", keeper)
    topics.keepersChanged()
    assert.equal(topics.of("x.y").keeper, null)
  })

  for (const subject of ["", "a.*", ">", "a..b"]) {
    it(`FAB-SUB-17 refuse ${JSON.stringify(subject)}`, () => {
      const topics = new Topics()
      assert.throws(() => topics.of(subject), { code: "EINVAL" })
      assert.equal(topics.size, 0)
    })
  }
})
