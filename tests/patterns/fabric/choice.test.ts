import assert from "node:assert/strict"
import { choose } from "../../../patterns/fabric/choice.ts"
import { Interest, QUEUE } from "../../../patterns/fabric/interest.ts"
import { type Link, NETWORK, SAME_HOST, SAME_PROCESS } from "../../../patterns/fabric/link/link.ts"

interface Way {
  distance?: 0 | 1 | 2
  up?: boolean
  leaving?: boolean
  room?: boolean
}

function link({ distance = SAME_PROCESS, up = true, leaving = false, room = true }: Way = {}): Link {
  return { distance, up, leaving, outgoing: { hasRoom: () => room } } as unknown as Link
}

let id = 1

function member(way: Way | null, outstanding = 0, capacity = 1): Interest {
  const policy = { policy: "drop-new", limit: 10, keep: 1, ttl: 0 } as const
  const spec = {
    id: id++,
    kind: QUEUE,
    pattern: "x",
    group: "q",
    targeted: false,
    policy,
    history: 0,
    capacity,
  } as const
  return Object.assign(new Interest(spec, way === null ? null : link(way), null), { outstanding })
}

/** How often each of the members is chosen while nothing else changes. */
function shares(members: Interest[], times = 60): number[] {
  const counts = members.map(() => 0)
  for (let i = 0; i < times; i++) counts[members.indexOf(choose(members) as Interest)]++
  return counts
}

/** The same where each choice adds to what is outstanding. */
function fill(members: Interest[], times: number): number[] {
  for (let i = 0; i < times; i++) (choose(members) as Interest).outstanding++
  return members.map(one => one.outstanding)
}

describe("choose", () => {
  it("FAB-QUE-1 gives nobody when there is nobody, and the only one whatever its state", () => {
    assert.equal(choose([]), null)
    const only = member({ up: false, leaving: true, room: false }, 1_000)
    assert.equal(choose([only]), only)
  })

  it("FAB-QUE-3 equals take turns", () => {
    assert.deepEqual(shares([member(null), member({}), member({})]), [20, 20, 20])
  })

  it("FAB-QUE-3 the least outstanding for its capacity is next", () => {
    assert.deepEqual(shares([member({}, 3), member({}, 2), member({}, 4)]), [0, 60, 0])
    assert.deepEqual(shares([member({}, 3, 1), member({}, 8, 4)]), [0, 60])
    assert.deepEqual(fill([member({}, 0, 1), member({}, 0, 4)], 100), [20, 80])
  })

  it("FAB-QUE-3 what it has from others counts, too", () => {
    const busy = Object.assign(member({}), { load: 5 })
    assert.deepEqual(shares([busy, member({}, 4)]), [0, 60])
  })

  it("FAB-QUE-4 a nearer member is preferred until it has a little more to do", () => {
    const members = [member({ distance: NETWORK }), member({ distance: SAME_HOST }), member({ distance: SAME_PROCESS })]
    assert.deepEqual(shares(members), [0, 0, 60])
    assert.deepEqual(fill(members, 3)[0], 0)
    const [network, host, own] = fill(members, 97)
    assert.ok(own > host && host > network && network > 20, `${[network, host, own]}`)
  })

  it("FAB-QUE-6 who is away, full, leaving or has asked to wait is passed over", () => {
    const paused = Object.assign(member({}), { paused: true })
    const others = [member({ up: false }), member({ leaving: true }), member({ room: false }), paused]
    assert.deepEqual(shares([...others, member({ distance: NETWORK }, 1_000)]), [0, 0, 0, 0, 60])
    // Nobody else is there.
    assert.deepEqual(shares(others), [15, 15, 15, 15])
  })
})
