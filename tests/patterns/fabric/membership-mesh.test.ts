import assert from "node:assert/strict"
import { type Random, seeded } from "../../support/random.ts"
import { VirtualMesh, type VirtualNode } from "./virtual-mesh.ts"

const running = (nodes: readonly VirtualNode[]): VirtualNode[] => nodes.filter(node => node.running)

/** All that run know, and have links to, exactly all others that run. */
function complete(nodes: readonly VirtualNode[]): boolean {
  const all = running(nodes)
    .map(node => node.node)
    .sort()
  return running(nodes).every(({ node, view, links }) => {
    const others = all.filter(one => one !== node)
    return others.join() === view.join() && others.every(one => links.has(one))
  })
}

const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0)

const deaths = (nodes: readonly VirtualNode[]): number => sum(nodes.map(node => node.count("dead")))

/** How long a suspect has got in a mesh of fifty. */
const SUSPICION = 5_000 * Math.log10(50)

describe("Membership in a mesh", function () {
  this.timeout(120_000)

  const mesh = (body: (mesh: VirtualMesh, random: Random) => void) => () =>
    seeded(random => body(new VirtualMesh(random), random))

  it(
    "is complete soon after fifty have joined through one",
    mesh(mesh => {
      const nodes = Array.from({ length: 50 }, (_, i) => mesh.add(`n${i}`))
      for (const node of nodes.slice(1)) mesh.at(mesh.random.int(0, 1_000), () => mesh.dial(node, "n0"))
      mesh.run(1_020)
      const took = mesh.until(() => complete(nodes), 3_000)
      assert.ok(took <= 1_000, `${took} ms after the last`)
      for (const node of nodes) assert.deepEqual([node.count("joined"), node.events.length], [49, 49])
    }),
  )

  it(
    "costs two notices per node and period when idle, however many there are",
    mesh(mesh => {
      for (const count of [10, 50]) {
        const own = new VirtualMesh(mesh.random)
        const nodes = own.formed(count)
        own.run(20_000)
        const perPeriod = sum(nodes.map(node => node.total)) / count / 20
        assert.ok(perPeriod > 0.5 && perPeriod <= 2.2, `${perPeriod} notices per node and period, ${count} nodes`)
        for (const node of nodes) assert.ok(node.total <= 2 * 20 * 2, `${node.total} of one node`)
        assert.deepEqual(
          nodes.flatMap(node => node.events),
          [],
        )
      }
    }),
  )

  it(
    "finds crashes that close the connections, and those that do not",
    mesh(mesh => {
      const nodes = mesh.formed(50)
      const victims = [nodes[0], nodes[7], nodes[23]]
      mesh.crash(victims[0], true)
      mesh.crash(victims[1], false)
      mesh.crash(victims[2], false)
      const found = (victim: VirtualNode) => (): boolean =>
        running(nodes).every(node => node.membership.stateOf(victim.node) === "dead")
      assert.ok(mesh.until(found(victims[0]), 30_000) <= SUSPICION + 1_000)
      // Within a period somebody is the one to probe it, with probability 1 - 1/e; ten periods are beyond bad luck.
      for (const victim of victims) assert.ok(mesh.until(found(victim), 30_000) <= 10_000 + SUSPICION)
      assert.equal(deaths(running(nodes)), 47 * 3)
      assert.ok(complete(nodes))
      // A thousand or so notices for each death, not one from each to each.
      const gossip = sum(running(nodes).map(node => node.sent.get("gossip") ?? 0))
      assert.ok(gossip < 3 * 2 * 47 * 47, `${gossip} notices`)
    }),
  )

  it(
    "declares nobody dead who lives, when one notice of ten is lost",
    mesh(mesh => {
      const nodes = mesh.formed(50)
      mesh.options.loss = 0.1
      mesh.run(200_000)
      assert.equal(deaths(nodes), 0)
      mesh.options.loss = 0
      assert.ok(mesh.until(() => complete(nodes), 30_000) < Number.POSITIVE_INFINITY)
      assert.equal(deaths(nodes), 0)
    }),
  )

  it(
    "mends what was lost by comparing digests",
    mesh(mesh => {
      const nodes = mesh.formed(20)
      mesh.options.loss = 0.5
      const late = Array.from({ length: 5 }, (_, i) => mesh.add(`late${i}`))
      for (const node of late) mesh.dial(node, "n0")
      mesh.run(2_000)
      mesh.options.loss = 0
      assert.ok(mesh.until(() => complete([...nodes, ...late]), 60_000) < Number.POSITIVE_INFINITY)
    }),
  )

  it(
    "takes back who was stopped for three seconds, by its own word",
    mesh(mesh => {
      const nodes = mesh.formed(50)
      const sleeper = nodes[9]
      mesh.pause(sleeper)
      mesh.run(3_000)
      mesh.resume(sleeper)
      const suspecting = nodes.filter(node => node.count("suspected n9") > 0).length
      mesh.run(3_000)
      assert.ok(complete(nodes))
      assert.equal(deaths(nodes), 0)
      // It slept itself: nobody else was at fault.
      assert.equal(sum(nodes.map(node => node.count("suspected"))), sum(nodes.map(node => node.count("suspected n9"))))
      if (suspecting > 0) assert.ok(sleeper.membership.incarnation > 0)
      assert.equal(sum(nodes.map(node => node.count("recovered n9"))), sum(nodes.map(node => node.count("suspected"))))
    }),
  )

  it(
    "takes back who was stopped so long that it was declared dead",
    mesh(mesh => {
      const nodes = mesh.formed(20)
      mesh.pause(nodes[9])
      mesh.run(40_000)
      assert.equal(sum(nodes.map(node => node.count("dead n9"))), 19)
      mesh.resume(nodes[9])
      assert.ok(mesh.until(() => complete(nodes), 60_000) < Number.POSITIVE_INFINITY)
      assert.equal(deaths(nodes.filter(node => node !== nodes[9])), 19)
    }),
  )

  it(
    "heals after the network was cut for long",
    mesh(mesh => {
      const nodes = mesh.formed(30)
      const sides = [nodes.slice(0, 11), nodes.slice(11)]
      for (const { node } of sides[1]) mesh.sides.set(node, 1)
      mesh.run(60_000)
      for (const side of sides) assert.ok(complete(side))
      assert.equal(deaths(nodes), 2 * 11 * 19)
      mesh.sides.clear()
      const took = mesh.until(() => complete(nodes), 60_000)
      assert.ok(took <= 20_000, `${took} ms`)
      // Meeting those who think that one's friends are dead kills nobody.
      assert.equal(deaths(nodes), 2 * 11 * 19)
    }),
  )

  it(
    "lets go who says goodbye, at once and for good",
    mesh(mesh => {
      const nodes = mesh.formed(20)
      const leaver = nodes[4]
      leaver.membership.leave()
      assert.equal(leaver.membership.nextTick(mesh.now), Number.POSITIVE_INFINITY)
      mesh.at(50, () => mesh.crash(leaver, true))
      mesh.run(100)
      const rest = nodes.filter(node => node !== leaver)
      for (const node of rest) assert.deepEqual(node.events, ["left n4"])
      mesh.run(30_000)
      for (const node of rest) assert.deepEqual(node.events, ["left n4"])
    }),
  )

  it(
    "does the same with more nodes than anybody tells directly",
    mesh(mesh => {
      const nodes = Array.from({ length: 150 }, (_, i) => mesh.add(`n${i}`))
      for (const node of nodes.slice(1)) mesh.at(mesh.random.int(0, 1_000), () => mesh.dial(node, "n0"))
      mesh.run(1_020)
      assert.ok(mesh.until(() => complete(nodes), 10_000) <= 3_000)
      mesh.crash(nodes[5], false)
      const found = (): boolean => running(nodes).every(node => node.membership.stateOf("n5") === "dead")
      assert.ok(mesh.until(found, 60_000) <= 10_000 + 5_000 * Math.log10(150))
      assert.equal(deaths(running(nodes)), 149)
    }),
  )
})
