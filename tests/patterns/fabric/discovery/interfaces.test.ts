import assert from "node:assert/strict"
import os from "node:os"
import { interfacesFor, namedInterfaces } from "../../../../patterns/fabric/discovery/interfaces.ts"
import { multicast } from "../../../../patterns/fabric/discovery/multicast.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { haveHosts, joinedHosts } from "../../../support/hosts.ts"
import { freeMulticastPort } from "../../../support/multicast.ts"

const INDEX = new URL("../../../../index.js", import.meta.url).href

describe("Interfaces of beacons", () => {
  closesAfterEach()

  const own = (): [name: string, address: string][] =>
    Object.entries(os.networkInterfaces()).flatMap(([name, addresses = []]): [string, string][] => {
      const first = addresses.find(({ family }) => family === "IPv4")
      return first === undefined ? [] : [[name, first.address]]
    })
  const names = (endpoints: string[]): string[] =>
    interfacesFor(endpoints)
      .map(({ name }) => name)
      .sort()
  const all = (): string[] =>
    own()
      .map(([name]) => name)
      .sort()
  const loopback = (): string[] => own().flatMap(([name, address]) => (address.startsWith("127.") ? [name] : []))

  it("are loopback alone for who can be reached by loopback alone", () => {
    for (const endpoints of [[], ["tcp://127.0.0.1:7"], ["ipc:///tmp/x", "inproc://y"], ["tcp://localhost:9"]])
      assert.deepEqual(names(endpoints), loopback())
  })

  it("are all for a wildcard, a name, and an address that somebody else translates", () => {
    for (const endpoints of [
      ["tcp://0.0.0.0:7"],
      ["ipc:///tmp/x", "tcp://*:7"],
      ["tcp://host.example:7"],
      ["tcp://203.0.113.9:7"],
    ])
      assert.deepEqual(names(endpoints), all())
  })

  it("are that of an address, and loopback", () => {
    for (const [name, address] of own())
      assert.deepEqual(names([`tcp://${address}:7`]), [...new Set([name, ...loopback()])].sort())
  })

  it("begin with loopback, whose answers come first", () => {
    assert.equal(interfacesFor(["tcp://*:7"])[0].name, loopback()[0])
  })

  it("may be named, by name and address, or all", () => {
    for (const [name, address] of own()) {
      assert.deepEqual(
        namedInterfaces([name, address]).map(one => [one.name, one.address]),
        [
          [name, address],
          [name, address],
        ],
      )
    }
    assert.deepEqual(
      namedInterfaces(["*"])
        .map(({ name }) => name)
        .sort(),
      all(),
    )
    assert.throws(() => namedInterfaces(["nope0"]), { code: "EADDRNOTAVAIL", message: /name one of: / })
    for (const wrong of [[], [7], 7, null])
      assert.throws(() => multicast({ interface: wrong as unknown as string }), { code: "EINVAL" })
  })

  it("lead to other hosts without being named", async function () {
    if (!haveHosts()) this.skip()
    const port = await freeMulticastPort()
    const program = `
      import { join, multicast } from "${INDEX}"
      const node = await join("beacons", { discovery: [multicast({ port: ${port} })], listen: "tcp://*:0" })
      await node.ready({ peers: 2 })
      console.log("linked " + node.peers.map(({ distance }) => distance).join(" ") + ".")
      process.stdin.on("end", () => process.exit()).resume()
    `
    const programs = joinedHosts(3).map(host => host.program(program))
    for (const one of programs) await one.says(/linked .*\./)
  })
})
