import assert from "node:assert/strict"
import type { SocketType } from "../../../core/contract.ts"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { parseUdpAddress } from "../../../transports/udp/address.ts"
import { UdpTransport } from "../../../transports/udp/transport.ts"
import { coded } from "../../support/pattern.ts"
import { seeded } from "../../support/random.ts"

const parse = (address: string, side: "listen" | "dial" = "listen") =>
  parseUdpAddress(parseEndpoint(`udp://${address}`), side)

describe("Endpoints of udp", () => {
  const cases: [string, string | null, string, number, boolean][] = [
    ["127.0.0.1:5555", null, "127.0.0.1", 5555, false],
    ["*:*", null, "*", 0, false],
    ["eth0:0", null, "eth0", 0, false],
    ["some.name:9", null, "some.name", 9, false],
    ["[::1]:5", null, "::1", 5, false],
    ["223.255.255.255:5", null, "223.255.255.255", 5, false],
    ["224.0.0.0:5", null, "224.0.0.0", 5, true],
    ["239.255.255.255:5", null, "239.255.255.255", 5, true],
    ["240.0.0.1:5", null, "240.0.0.1", 5, false],
    ["[ff05::1]:5", null, "ff05::1", 5, true],
    ["[fe80::1]:5", null, "fe80::1", 5, false],
    ["eth0;239.0.0.1:5", "eth0", "239.0.0.1", 5, true],
    ["10.0.0.1;239.0.0.1:5", "10.0.0.1", "239.0.0.1", 5, true],
    ["*;239.0.0.1:5", null, "239.0.0.1", 5, true],
    ["eth0;[ff02::1]:5", "eth0", "ff02::1", 5, true],
    ["fd00::2;[ff02::1]:5", "fd00::2", "ff02::1", 5, true],
    ["[fd00::2];[ff02::1]:5", "fd00::2", "ff02::1", 5, true],
  ]
  for (const [text, nic, host, port, multicast] of cases) {
    it(`read ${text}`, () => assert.deepEqual(parse(text), { interface: nic, host, port, multicast }))
  }

  for (const [text, side] of [
    ["nowhere", "listen"],
    ["127.0.0.1:", "listen"],
    [":5", "listen"],
    ["::1:5", "listen"],
    ["127.0.0.1:65536", "listen"],
    ["127.0.0.1:-1", "listen"],
    ["127.0.0.1:1e3", "listen"],
    ["127.0.0.1:5;", "listen"],
    [";239.0.0.1:5", "listen"],
    ["lo;127.0.0.1:5", "listen"],
    ["lo;127.0.0.1:5", "dial"],
    ["239.0.0.2;239.0.0.1:5", "listen"],
    ["*:5", "dial"],
    ["127.0.0.1:*", "dial"],
    ["239.0.0.1:0", "dial"],
  ] as const) {
    it(`UDP-1 refuse to ${side} ${text}`, () => {
      assert.throws(
        () => parse(text, side),
        (error: unknown) => coded("EINVAL")(error) && (error as { address: string }).address === `udp://${text}`,
      )
    })
  }

  it("survive noise", () =>
    seeded(random => {
      for (let i = 0; i < 3_000; i++) {
        const text = Array.from({ length: random.int(1, 12) }, () => random.pick([..."0129af.:;[]*%x"])).join("")
        try {
          parse(text, random.pick(["listen", "dial"] as const))
        } catch (error) {
          assert.ok(coded("EINVAL")(error), `${text}: ${error}`)
        }
      }
    }))

  it("UDP-1 are for a Radio that connects, and a Dish or a Datagram that binds", () => {
    const transport = new UdpTransport()
    const endpoint = parseEndpoint("udp://127.0.0.1:5555")
    const types: SocketType[] = [
      "RADIO",
      "DISH",
      "DGRAM",
      "PUB",
      "SUB",
      "PUSH",
      "PULL",
      "PAIR",
      "STREAM",
      "ROUTER",
      "BUS",
    ]
    for (const type of types) {
      for (const side of ["listen", "dial"] as const) {
        const check = (): void => transport.check(endpoint, side, type)
        if (side === "dial" ? type === "RADIO" : type === "DISH" || type === "DGRAM") assert.doesNotThrow(check)
        else assert.throws(check, coded("ENOCOMPATPROTO"))
      }
    }
  })
})
