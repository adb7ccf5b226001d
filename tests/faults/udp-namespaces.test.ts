import assert from "node:assert/strict"
import { closesAfterEach } from "../support/cleanup.ts"
import { type Host, haveHosts, joinedHosts } from "../support/hosts.ts"
import type { Program } from "../support/processes.ts"

const INDEX = new URL("../../index.js", import.meta.url).href

describe("Radio and Dish over udp between two machines", () => {
  closesAfterEach()

  before(function () {
    if (!haveHosts()) this.skip()
  })

  const program = (host: Host, body: string): Program =>
    host.program(`
      import { Dish, Radio } from "${INDEX}"
      const say = text => process.stdout.write(text + "\\n")
      process.stdin.on("end", () => process.exit()).resume()
      ${body}
    `)

  const listener = (endpoint: string): string => `
    const dish = new Dish()
    dish.join("g")
    await dish.bind("${endpoint}")
    dish.consume(([body]) => say(String(body)))
  `

  type Nic = (host: Host) => string
  const byName: Nic = host => host.name
  for (const [name, group, nic] of [
    ["IPv4", "239.255.77.20", byName],
    ["IPv4, interfaces by address", "239.255.77.21", host => host.address],
    ["IPv6, a link-local group", "[ff02::7720]", byName],
    ["IPv6, a site-local group, interfaces by address", "[ff05::7721]", host => host.address6],
  ] as readonly (readonly [string, string, Nic])[]) {
    it(`UDP-4, UDP-10 hops and loopback decide who hears a group (${name})`, async () => {
      const [one, other] = joinedHosts(2)
      const far = program(other, listener(`udp://${nic(other)};${group}:7001`))
      const near = program(
        one,
        `
        ${listener(`udp://${nic(one)};${group}:7001`)}
        const radios = { both: {}, "near only": { multicastHops: 0 }, "far only": { multicastLoopback: false } }
        for (const [body, options] of Object.entries(radios)) {
          const radio = new Radio(options)
          radio.connect("udp://${nic(one)};${group}:7001")
          setInterval(() => radio.trySend(body, { group: "g" }), 5)
        }
      `,
      )
      await near.says(/both\n(.*\n)*near only\n(.*\n)*both\n/)
      await far.says(/both\n(.*\n)*far only\n(.*\n)*both\n(.*\n)*far only\n/)
      assert.doesNotMatch(near.output, /far only/)
      assert.doesNotMatch(far.output, /near only/)
    })
  }
})
