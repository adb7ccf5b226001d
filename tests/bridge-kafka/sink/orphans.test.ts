import assert from "node:assert/strict"
import { Orphans } from "../../../bridge-kafka/sink/orphans.ts"
import type { ShardPhase } from "../../../bridge-kafka/sink/shard.ts"
import type { TakenNote } from "../../../bridge-kafka/sink/taken-notes.ts"
import { FakeClock } from "../../support/clock.ts"

/** Milliseconds between two notes. */
const EVERY = 250

/** An instance without a bridge: what its rule decides is done at once. */
class Instance {
  readonly by: string
  phases: ShardPhase[]
  readonly known: boolean[]
  readonly orphans: Orphans
  silence = 0
  private left: number[] = []

  constructor(by: string, shards: number) {
    this.by = by
    this.phases = Array.from({ length: shards }, () => "foreign")
    this.known = this.phases.map(() => false)
    this.orphans = new Orphans({
      by,
      shards,
      silence: () => this.silence,
      phase: shard => this.phases[shard],
      knows: shard => this.known[shard],
      claim: shard => {
        this.phases[shard] = "orphaned"
      },
      yield: shard => {
        this.phases[shard] = "foreign"
        this.left.push(shard)
      },
      tell: () => {},
    })
  }

  has(phase: ShardPhase): number[] {
    return this.phases.flatMap((one, shard) => (one === phase ? [shard] : []))
  }

  note(): TakenNote {
    const { orphans, by } = this
    const orphaned = this.has("orphaned")
    const here = [...orphaned, ...this.has("owned")]
    const { claimed, wanted } = orphans
    return { by, shards: here, age: 0, here, orphaned, claimed, wanted, left: this.left.splice(0) }
  }
}

describe("who takes the messages of a shard while the group cannot be asked (SINK-8)", () => {
  let now: number

  beforeEach(() => {
    now = 1_000_000
  })

  /** Time passes, and all hear each other. */
  function pass(milliseconds: number, ...all: Instance[]): void {
    for (const end = now + milliseconds; now < end; now += EVERY) {
      for (const one of all) {
        if (one.silence > 0) one.silence += EVERY
        one.orphans.tick(now)
      }
      // On their way at the same time.
      for (const [sender, note] of all.map(one => [one, one.note()] as const))
        for (const other of all) if (other !== sender) other.orphans.heard(note, now)
    }
  }

  it("nobody as long as the group answers", () => {
    const one = new Instance("a", 2)
    pass(60_000, one)
    assert.deepEqual([one.has("orphaned"), one.orphans.claimed], [[], []])
  })

  it("one that is alone: all, after some seconds in which nobody objects", () => {
    const one = new Instance("a", 2)
    one.silence = EVERY
    pass(2_000, one)
    assert.deepEqual(one.has("orphaned"), [])
    pass(3_000, one)
    assert.deepEqual(one.has("orphaned"), [0, 1])
  })

  it("of two that ask at the same time each shard has one, at every moment", () => {
    const [one, two] = [new Instance("b", 8), new Instance("a", 8)]
    one.silence = EVERY
    two.silence = EVERY
    for (let i = 0; i < 40; i++) {
      pass(EVERY, one, two)
      assert.equal(one.has("orphaned").filter(shard => two.phases[shard] === "orphaned").length, 0)
    }
    assert.deepEqual([one.has("orphaned").length, two.has("orphaned").length], [0, 8])
  })

  it("the one where records of it lie comes first", () => {
    const [one, two] = [new Instance("b", 4), new Instance("a", 4)]
    one.silence = EVERY
    two.silence = EVERY
    one.known[2] = true
    pass(10_000, one, two)
    assert.deepEqual([one.has("orphaned"), two.has("orphaned")], [[2], [0, 1, 3]])
  })

  it("nobody else than its owner, and not another one that stands in; the next when that one has gone", () => {
    const [owner, orphan, one] = [new Instance("c", 2), new Instance("b", 2), new Instance("a", 2)]
    owner.phases[0] = "owned"
    orphan.phases[1] = "orphaned"
    one.silence = EVERY
    pass(20_000, owner, orphan, one)
    assert.deepEqual([one.has("orphaned"), orphan.has("orphaned")], [[], [1]])
    pass(5_000, owner, one)
    assert.deepEqual(one.has("orphaned"), [1])
  })

  it("it is given up for whom the group names, and for the lower id of two that stand in", () => {
    const [one, owner, other] = [new Instance("b", 3), new Instance("c", 3), new Instance("a", 3)]
    one.phases = ["orphaned", "orphaned", "orphaned"]
    owner.phases[0] = "owned"
    other.phases[1] = "orphaned"
    pass(EVERY, one, owner, other)
    assert.deepEqual(one.has("orphaned"), [2])
    assert.deepEqual(other.has("orphaned"), [1])
  })

  it("a new owner waits until the one that stood in has let go", async () => {
    const [owner, one] = [new Instance("b", 1), new Instance("a", 1)]
    one.phases[0] = "orphaned"
    now = performance.now()
    owner.orphans.heard(one.note(), now)
    let released = false
    const release = owner.orphans.release(0).then(() => {
      released = true
    })
    assert.deepEqual(owner.orphans.wanted, [0])
    await Promise.resolve()
    assert.equal(released, false)
    one.orphans.heard(owner.note(), now)
    assert.deepEqual(one.has("orphaned"), [])
    owner.orphans.heard(one.note(), now)
    await release
    assert.deepEqual(owner.orphans.wanted, [])
  })

  it("a new owner waits for nobody whom it has not heard of", async () => {
    await new Instance("a", 1).orphans.release(0)
  })
})

describe("the owner of a shard that another stands in for", () => {
  const clock = new FakeClock()
  beforeEach(() => clock.install())
  afterEach(() => clock.restore())

  it("waits for a second and no longer for that one to let go", async () => {
    const owner = new Instance("b", 1)
    owner.orphans.heard(
      { by: "a", shards: [], age: 0, here: [0], orphaned: [0], claimed: [], wanted: [], left: [] },
      clock.now,
    )
    let released = false
    const releasing = owner.orphans.release(0).then(() => {
      released = true
    })
    assert.deepEqual(owner.orphans.wanted, [0])
    clock.advance(999)
    await Promise.resolve()
    assert.equal(released, false)
    clock.advance(1)
    await releasing
    assert.deepEqual(owner.orphans.wanted, [])
  })

  it("does not wait for one who has said nothing for longer", async () => {
    const owner = new Instance("b", 1)
    owner.orphans.heard(
      { by: "a", shards: [], age: 0, here: [0], orphaned: [0], claimed: [], wanted: [], left: [] },
      clock.now,
    )
    clock.advance(1_001)
    await owner.orphans.release(0)
    assert.deepEqual(owner.orphans.wanted, [])
  })
})
