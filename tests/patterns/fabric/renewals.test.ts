import assert from "node:assert/strict"
import { Interest, type InterestSpec, SUBSCRIBE } from "../../../patterns/fabric/interest.ts"
import type { Link } from "../../../patterns/fabric/link/link.ts"
import { Renewals } from "../../../patterns/fabric/renewals.ts"
import { simulate } from "../../../testing.ts"

/** A peer with the wishes 1 and 2, and the numbers of those that are over. */
function rig() {
  const gone: number[] = []
  const link = { interests: new Map<number, Interest>(), life: 0, renewal: 0, up: true }
  const spec = (id: number): InterestSpec => ({
    id,
    kind: SUBSCRIBE,
    pattern: "x",
    group: "",
    targeted: false,
    policy: { policy: "drop-new", limit: 1, keep: 1, ttl: 0 },
    history: 0,
    capacity: 1,
  })
  const renewals = new Renewals({
    ask: () => 7,
    interestWent: (_, id) => {
      gone.push(id)
      link.interests.delete(id)
    },
  })
  for (const id of [1, 2]) link.interests.set(id, new Interest(spec(id), null, null))
  return { gone, link, spec, renewals, peer: link as unknown as Link }
}

describe("fabric: wishes of a peer that begins anew", () => {
  it("FAB-LNK-12 are over when it answers, and only then; those that it says again stay", () => {
    const { gone, link, spec, renewals, peer } = rig()
    renewals.begin(peer, true)
    renewals.ask(peer)
    renewals.answered(peer, 6)
    assert.equal(renewals.renewed(peer, spec(3)), null)
    assert.equal(renewals.renewed(peer, spec(2)), link.interests.get(2))
    assert.throws(() => renewals.renewed(peer, spec(2)), { code: "EPROTO" })
    assert.deepEqual(gone, [])
    renewals.answered(peer, 7)
    assert.deepEqual([gone, [...link.interests.keys()]], [[1], [2]])
    // An answer that comes twice finds nothing to do.
    link.life++
    renewals.answered(peer, 7)
    assert.deepEqual(gone, [1])
  })

  it("FAB-LNK-12 are over after 30 seconds with a peer that does not answer, if it is there", async () => {
    const net = simulate({ seed: 1, time: "virtual" })
    try {
      const { gone, link, renewals, peer } = rig()
      renewals.begin(peer, true)
      renewals.ask(peer)
      link.up = false
      await net.run(100_000)
      assert.deepEqual(gone, [])
      link.up = true
      await net.run(31_000)
      assert.deepEqual(gone, [1, 2])
    } finally {
      await net.close()
    }
  })
})
