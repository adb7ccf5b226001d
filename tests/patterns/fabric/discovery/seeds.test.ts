import assert from "node:assert/strict"
import os from "node:os"
import { seeds } from "../../../../patterns/fabric/discovery/seeds.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { DiscoveryNode } from "../../../support/discovery-node.ts"

describe("Discovery by seeds", () => {
  closesAfterEach()

  const endpointsOf = (node: DiscoveryNode): string[] => node.candidates.flatMap(one => one.endpoints)

  it("offers each seed once, in the order given", async () => {
    const list = ["tcp://10.0.0.1:7000", "ipc:///run/shop", "tcp://[2001:db8::1]:7000", "tcp://10.0.0.1:7000"]
    const node = await new DiscoveryNode("shop", seeds(list)).join("tcp://127.0.0.1:7000")
    assert.deepEqual(endpointsOf(node), list.slice(0, 3))
    assert.ok(node.candidates.every(one => one.node === undefined))
  })

  it("leaves out every address of its own", async () => {
    const external = Object.values(os.networkInterfaces())
      .flatMap(addresses => addresses ?? [])
      .filter(one => one.family === "IPv4")
      .map(one => `tcp://${one.address}:7000`)
    const list = [...external, "tcp://localhost:7000", "tcp://127.0.0.1:7001", "ws://127.0.0.1:7000"]
    for (const own of ["tcp://0.0.0.0:7000", "tcp://[::]:7000", "tcp://*:7000"]) {
      const node = await new DiscoveryNode("shop", seeds(list)).join(own)
      assert.deepEqual(endpointsOf(node), ["tcp://127.0.0.1:7001", "ws://127.0.0.1:7000"])
      await node.source.stop()
    }
  })

  it("may have no seeds: the first node has none", async () => {
    const node = await new DiscoveryNode("shop", seeds([])).join("tcp://127.0.0.1:7000")
    assert.deepEqual(node.candidates, [])
  })

  it("refuses what nobody can dial", () => {
    for (const wrong of ["shop", "tcp://", "tcp://*:7000", "tcp://host:*", "tcp://host:0", "ipc://*"]) {
      assert.throws(() => seeds([wrong]), { code: "EINVAL" }, wrong)
    }
    assert.throws(() => seeds(["tcp://host:1"], { retry: 1 }), { code: "EINVAL" })
    assert.throws(() => seeds(Array.from({ length: 1_025 }, (_, at) => `tcp://host:${at + 1}`)), { code: "EINVAL" })
  })
})
