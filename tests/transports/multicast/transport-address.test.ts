import assert from "node:assert/strict"
import os from "node:os"
import { parseEndpoint } from "../../../core/endpoint.ts"
import {
  formatMulticastAddress,
  interfacesOf,
  type MulticastAddress,
  parseMulticastAddress,
} from "../../../transports/multicast/address.ts"
import { datagramSize } from "../../../transports/multicast/mtu.ts"
import { coded } from "../../support/pattern.ts"

const parse = (address: string, side: "listen" | "dial" = "dial"): MulticastAddress =>
  parseMulticastAddress(parseEndpoint(address), side)

describe("Addresses of multicast", () => {
  it("are a group, a port and, if need be, an interface", () => {
    assert.deepEqual(parse("multicast://239.1.2.3:5555"), {
      group: "239.1.2.3",
      family: 4,
      port: 5555,
      interface: null,
    })
    assert.deepEqual(parse("multicast://[ff15::7]:5?interface=eth0"), {
      group: "ff15::7",
      family: 6,
      port: 5,
      interface: "eth0",
    })
    assert.equal(parse("multicast://239.1.2.3:5?interface=*").interface, null)
    assert.equal(parse("multicast://239.1.2.3:5?interface=192.0.2.1").interface, "192.0.2.1")
    assert.equal(parse("multicast://[ff15::7]:5?interface=[fd00::2]").interface, "fd00::2")
    assert.equal(parse("multicast://239.1.2.3:*", "listen").port, 0)
    assert.equal(parse("multicast://239.1.2.3:0", "listen").port, 0)
  })

  it("are written as they are read", () => {
    for (const text of ["multicast://239.1.2.3:5555", "multicast://[ff15::7]:5?interface=eth0"]) {
      const address = parse(text)
      assert.equal(formatMulticastAddress(address, address.port), text)
    }
    assert.equal(formatMulticastAddress(parse("multicast://239.1.2.3:*", "listen"), 77), "multicast://239.1.2.3:77")
  })

  for (const [address, why] of [
    ["multicast://239.1.2.3", /write multicast:\/\/group:port/],
    ["multicast://239.1.2.3:", /no port/],
    ["multicast://239.1.2.3:65536", /no port/],
    ["multicast://239.1.2.3:-1", /no port/],
    ["multicast://239.1.2.3:*", /all members name the same/],
    ["multicast://239.1.2.3:0", /all members name the same/],
    ["multicast://192.0.2.1:5", /no multicast group/],
    ["multicast://some.host:5", /no multicast group/],
    ["multicast://*:5", /no multicast group/],
    ["multicast://[fd00::1]:5", /no multicast group/],
    ["multicast://ff15::7:5", /brackets/],
    ["multicast://239.1.2.3:5?", /name one interface/],
    ["multicast://239.1.2.3:5?interface=", /name one interface/],
    ["multicast://239.1.2.3:5?interface=a&interface=b", /name one interface/],
    ["multicast://239.1.2.3:5?interface=239.1.2.4", /is a group/],
    ["multicast://239.1.2.3:5?nic=eth0", /"nic" is unknown/],
  ] as const) {
    it(`refuses ${address}`, () => {
      assert.throws(() => parse(address), coded("EINVAL", why))
    })
  }

  it("name interfaces by their names and by their addresses", () => {
    const [[nic, addresses = []]] = Object.entries(os.networkInterfaces())
    assert.deepEqual(interfacesOf(nic), [nic])
    assert.deepEqual(interfacesOf(addresses[0].address), [nic])
    assert.deepEqual(interfacesOf("no-such-nic"), [])
    assert.ok(interfacesOf(null).length > 0)
  })

  it("have datagrams that fit into a packet of the interface, or of the option", async () => {
    assert.equal(await datagramSize("no-such-nic", 4, 0), 1_500 - 28)
    assert.equal(await datagramSize("no-such-nic", 6, 0), 1_500 - 48)
    assert.equal(await datagramSize(null, 4, 9_000), 8_972)
    assert.equal(await datagramSize(null, 6, 576), 528)
    assert.equal(await datagramSize(null, 4, 65_535), 65_507)
    const own = await datagramSize(null, 4, 0)
    assert.ok(own >= 1_280 - 28 && own <= 65_507, `${own}`)
    const nic = Object.entries(os.networkInterfaces()).find(([, list = []]) => list.some(one => one.internal))?.[0]
    if (nic === "lo" && process.platform === "linux") assert.equal(await datagramSize("127.0.0.1", 4, 0), 65_507)
  })
})
