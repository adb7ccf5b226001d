import assert from "node:assert/strict"
import type { Discovery } from "../../patterns/fabric/discovery/discovery.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { DiscoveryNode } from "../support/discovery-node.ts"
import { Handles } from "../support/handles.ts"
import { pass, turns, until } from "../support/wait.ts"

/** Somewhere that sources of one kind find one another, made anew for each test. */
export interface Neighbourhood {
  /** A source for one more node. */
  source(): Discovery
  /** Where the next node listens, when its source leaves it to the node. */
  address(): string
  /** Whoever keeps the list of nodes is told of this one; for sources that nodes do not announce themselves to. */
  register?(endpoint: string): void
  /** What is left on disk. */
  files(): readonly string[]
}

export interface DiscoveryTraits {
  make(): Promise<Neighbourhood>
  /** The source knows node ids and fabrics; otherwise addresses alone. */
  announces: boolean
}

/** Every source of candidates passes this: the rules of patterns/fabric/discovery/discovery.ts. */
export function discoveryConformance(name: string, { make, announces }: DiscoveryTraits): void {
  describe(`Discovery ${name}`, () => {
    closesAfterEach()

    let place: Neighbourhood
    beforeEach(async () => {
      place = await make()
    })

    const arrive = async (fabric = "shop"): Promise<DiscoveryNode> => {
      const address = place.address()
      place.register?.(address)
      return new DiscoveryNode(fabric, place.source()).join(address)
    }

    it("lets two nodes find each other, and neither itself", async () => {
      const one = await arrive()
      const two = await arrive()
      await until(() => one.has(two) && two.has(one))
      assert.equal(one.has(one), false)
      assert.equal(two.has(two), false)
      for (const candidate of [...one.candidates, ...two.candidates]) {
        assert.equal(candidate.node !== undefined, announces)
        assert.ok(candidate.endpoints.length > 0)
      }
      assert.deepEqual([...one.warnings, ...two.warnings], [])
    })

    it("finds a node that starts later", async () => {
      const early = [await arrive(), await arrive()]
      await until(() => early[0].has(early[1]) && early[1].has(early[0]))
      for (const node of early) node.candidates = []
      const late = await arrive()
      await until(() => early.every(node => node.has(late) && late.has(node)))
    })

    it("leaves nothing behind when it stops", async () => {
      const nodes = [new DiscoveryNode("shop", place.source()), new DiscoveryNode("shop", place.source())]
      // Mocha sets its timer of this test after the first turn.
      await turns()
      const handles = new Handles()
      // They do not listen: the handles are the sources' alone.
      for (const node of nodes) node.endpoints = [place.address()]
      for (const node of nodes) await node.start()
      assert.notDeepEqual(handles.kinds, [])
      await Promise.all(nodes.map(node => node.source.stop()))
      handles.rest()
      assert.deepEqual(place.files(), [])
      await until(() => handles.kinds.length === 0)
    })

    it("says nothing more once it is stopped", async () => {
      const one = await arrive()
      await one.source.stop()
      one.candidates = []
      const two = await arrive()
      await two.source.stop()
      await pass(100)
      assert.deepEqual([one.candidates, one.losses, one.warnings], [[], [], []])
    })

    it("may be stopped twice, before the start, and while it starts", async () => {
      const idle = place.source()
      await Promise.all([idle.stop(), idle.stop()])
      const node = new DiscoveryNode("shop", place.source())
      await node.listen(place.address())
      const starting = node.start()
      await Promise.all([node.source.stop(), node.source.stop()])
      await starting
      await node.source.stop()
      assert.deepEqual(node.warnings, [])
    })

    it("serves one node at a time, and another afterwards", async () => {
      const one = await arrive()
      await assert.rejects(one.start(), { code: "EBUSY" })
      await one.source.stop()
      const two = await arrive()
      const again = await new DiscoveryNode("shop", one.source).join(one.endpoints[0])
      await until(() => again.has(two))
    })

    if (announces) {
      it("keeps fabrics apart", async () => {
        const shop = [await arrive("shop"), await arrive("shop")]
        const bank = [await arrive("bank"), await arrive("bank")]
        await until(() => [shop, bank].every(([one, two]) => one.has(two) && two.has(one)))
        for (const node of shop) assert.ok(!bank.some(other => node.has(other)))
        for (const node of bank) assert.ok(!shop.some(other => node.has(other)))
      })

      it("tells of a node that left", async () => {
        const one = await arrive()
        const two = await arrive()
        await until(() => one.has(two))
        await two.source.stop()
        await until(() => one.losses.includes(two.node))
        assert.deepEqual(one.losses, [two.node])
      })
    } else {
      it("tells of an address again and again", async () => {
        const one = await arrive()
        const two = await arrive()
        for (let round = 0; round < 3; round++) {
          one.candidates = []
          await until(() => one.has(two))
        }
      })
    }
  })
}
