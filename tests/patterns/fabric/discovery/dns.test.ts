import assert from "node:assert/strict"
import type dnsModule from "node:dns"
import { type DnsOptions, dns } from "../../../../patterns/fabric/discovery/dns.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { DiscoveryNode } from "../../../support/discovery-node.ts"
import { DnsServer } from "../../../support/dns-server.ts"
import { until } from "../../../support/wait.ts"

const SELF = "tcp://127.0.0.1:7000"

describe("Discovery by DNS", () => {
  closesAfterEach()

  let server: DnsServer
  let resolver: dnsModule.promises.Resolver
  beforeEach(async () => {
    server = await DnsServer.start()
    resolver = server.resolver()
  })

  const join = (options: Partial<DnsOptions> = {}): Promise<DiscoveryNode> =>
    new DiscoveryNode("shop", dns({ name: "shop.test", port: 7000, interval: 20, resolver, ...options })).join(SELF)

  const endpointsOf = (node: DiscoveryNode): string[] =>
    [...new Set(node.candidates.flatMap(one => one.endpoints))].sort()
  const codesOf = (node: DiscoveryNode): string[] => node.warnings.map(({ code }) => code)

  it("gives the addresses of both families, and not its own", async () => {
    server.set("shop.test", ["10.0.0.1", "2001:db8::7", "127.0.0.1", "10.0.0.2"])
    const node = await join()
    assert.deepEqual(endpointsOf(node), ["tcp://10.0.0.1:7000", "tcp://10.0.0.2:7000", "tcp://[2001:db8::7]:7000"])
    assert.deepEqual(node.warnings, [])
  })

  it("gives those of one family when told", async () => {
    server.set("shop.test", ["10.0.0.1", "2001:db8::7"])
    assert.deepEqual(endpointsOf(await join({ family: 4 })), ["tcp://10.0.0.1:7000"])
    assert.deepEqual(endpointsOf(await join({ family: 6 })), ["tcp://[2001:db8::7]:7000"])
  })

  it("follows SRV records to their targets and ports", async () => {
    const service = (target: string, port: number): { priority: number; target: string; port: number } => ({
      priority: 1,
      target,
      port,
    })
    server.set(
      "_heddle._tcp.shop.test",
      [],
      [service("a.test", 7001), service("b.test", 7002), service("gone.test", 1)],
    )
    server.set("a.test", ["10.0.0.1"])
    server.set("b.test", ["10.0.0.2", "2001:db8::2"])
    const node = await join({ name: "_heddle._tcp.shop.test", port: undefined })
    assert.deepEqual(endpointsOf(node), ["tcp://10.0.0.1:7001", "tcp://10.0.0.2:7002", "tcp://[2001:db8::2]:7002"])
    // One target has no address: the others count all the same.
    assert.deepEqual(codesOf(node), ["ENOENT"])
    assert.match(node.warnings[0].message, /gone\.test/)
  })

  it("takes the target . for no service", async () => {
    server.set("_heddle._tcp.shop.test", [], [{ priority: 0, target: ".", port: 0 }])
    const node = await join({ name: "_heddle._tcp.shop.test" })
    assert.deepEqual([node.candidates, codesOf(node)], [[], ["ENOENT"]])
  })

  it("follows changes", async () => {
    server.set("shop.test", ["10.0.0.1"])
    const node = await join()
    server.set("shop.test", ["10.0.0.2"])
    await until(() => endpointsOf(node).includes("tcp://10.0.0.2:7000"))
    // Those that an answer was under way for when it changed are over now.
    const seen = server.questions
    await until(() => server.questions > seen + 4)
    node.candidates = []
    await until(() => node.candidates.length > 1)
    assert.deepEqual(endpointsOf(node), ["tcp://10.0.0.2:7000"])
  })

  it("warns once of a name that is unknown, and finds it when it appears", async () => {
    const node = await join()
    const seen = server.questions
    await until(() => server.questions > seen + 6)
    assert.deepEqual(codesOf(node), ["ENOENT"])
    assert.match(node.warnings[0].message, /shop\.test.*asked again/)
    server.set("shop.test", ["10.0.0.1"])
    await until(() => node.candidates.length > 0)
    server.remove("shop.test")
    await until(() => node.warnings.length === 2)
    assert.deepEqual(node.losses, [])
  })

  it("survives a server that fails, and one that is silent", async () => {
    server.set("shop.test", ["10.0.0.1"])
    for (const [mode, code] of [
      ["fails", "EHOSTUNREACH"],
      ["silent", "ETIMEDOUT"],
    ] as const) {
      server.mode = mode
      const node = await join()
      assert.deepEqual(codesOf(node), [code])
      server.mode = "answers"
      await until(() => node.candidates.length > 0)
      await node.source.stop()
    }
  })

  it("stops while a server is silent", async () => {
    server.mode = "silent"
    let asked = 0
    const never = (): Promise<never> => {
      asked++
      return new Promise(() => {})
    }
    const silent = { resolve4: never, resolve6: never, resolveSrv: never }
    for (const one of [resolver, silent]) {
      const node = new DiscoveryNode("shop", dns({ name: "shop.test", port: 7000, resolver: one }))
      const starting = node.start()
      await until(() => (one === silent ? asked : server.questions) > 0)
      await node.source.stop()
      await starting
      assert.deepEqual(node.warnings, [])
    }
  })

  it("takes no more addresses than its limit", async () => {
    server.set("shop.test", ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    const node = await join({ limit: 2 })
    assert.deepEqual([endpointsOf(node).length, codesOf(node)], [2, ["EMSGSIZE"]])
    const many = Array.from({ length: 2_000 }, (_, at) => `10.1.${at >> 8}.${at & 255}`)
    const crowd = {
      resolve4: async () => many,
      resolve6: async () => [],
      resolveSrv: async () => many.map(name => ({ name, port: 7000, priority: 0, weight: 0 })),
    }
    for (const srv of [false, true]) {
      assert.equal(endpointsOf(await join({ resolver: crowd, srv, interval: 10_000 })).length, 1_024)
    }
  })

  it("does not believe a resolver that gives no addresses", async () => {
    const liar = { resolve4: async () => ["a b", "", "host"], resolve6: async () => [], resolveSrv: async () => [] }
    const node = await join({ resolver: liar })
    assert.deepEqual([node.candidates, codesOf(node)], [[], ["ENOENT"]])
  })

  it("asks the system when nobody else is named", async () => {
    const node = await join({ name: "localhost", port: 7777, resolver: undefined, family: 4 })
    assert.deepEqual(endpointsOf(node), ["tcp://127.0.0.1:7777"])
  })

  it("refuses options that make no sense", () => {
    const wrong: DnsOptions[] = [
      { name: "shop.test" },
      { name: "", port: 1 },
      { name: "x".repeat(256), port: 1 },
      { name: "shop.test", port: 0 },
      { name: "shop.test", port: 1, family: 5 as 4 },
      { name: "shop.test", port: 1, interval: 1 },
    ]
    for (const options of wrong) assert.throws(() => dns(options), { code: "EINVAL" })
  })
})
