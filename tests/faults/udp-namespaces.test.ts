import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { Program } from "../support/processes.ts"

const INDEX = new URL("../../index.js", import.meta.url).href
/** Names of this run only: nobody else's namespaces are touched. */
const [NEAR, FAR] = [`hu${process.pid}a`, `hu${process.pid}b`]
const ip = (...words: string[]): void => void execFileSync("ip", words, { stdio: "pipe" })

/** Needs root and network namespaces. */
function haveNamespaces(): boolean {
  try {
    ip("netns", "add", NEAR)
    ip("netns", "del", NEAR)
    return true
  } catch {
    console.log("      skipped: no network namespaces here")
    return false
  }
}

describe("Radio and Dish over udp between two machines", () => {
  closesAfterEach()

  before(function () {
    if (!haveNamespaces()) this.skip()
  })

  /** Two namespaces, joined by a cable whose ends have their names. */
  const wire = (): void => {
    for (const name of [NEAR, FAR]) {
      ip("netns", "add", name)
      later(() => ip("netns", "del", name))
    }
    ip("link", "add", NEAR, "netns", NEAR, "type", "veth", "peer", "name", FAR, "netns", FAR)
    for (const [name, host] of [
      [NEAR, 1],
      [FAR, 2],
    ] as const) {
      // Otherwise the interface's own address may not be used for its first two seconds.
      ip("netns", "exec", name, "sh", "-c", `echo 0 > /proc/sys/net/ipv6/conf/${name}/accept_dad`)
      ip("-n", name, "addr", "add", `10.99.1.${host}/24`, "dev", name)
      ip("-n", name, "addr", "add", `fd99::${host}/64`, "dev", name, "nodad")
      ip("-n", name, "link", "set", name, "up")
    }
  }

  const program = (namespace: string, body: string): Program =>
    Program.start(
      `
      import os from "node:os"
      import { Dish, Radio } from "${INDEX}"
      // The cable is not there at once.
      while (os.networkInterfaces()["${namespace}"] === undefined) await new Promise(resolve => setTimeout(resolve, 5))
      const say = text => process.stdout.write(text + "\\n")
      process.stdin.on("end", () => process.exit()).resume()
      ${body}
    `,
      undefined,
      ["ip", "netns", "exec", namespace],
    )

  const listener = (endpoint: string): string => `
    const dish = new Dish()
    dish.join("g")
    await dish.bind("${endpoint}")
    dish.consume(([body]) => say(String(body)))
  `

  for (const [name, group, nearNic, farNic] of [
    ["IPv4", "239.255.77.20", NEAR, FAR],
    ["IPv4, interfaces by address", "239.255.77.21", "10.99.1.1", "10.99.1.2"],
    ["IPv6, a link-local group", "[ff02::7720]", NEAR, FAR],
    ["IPv6, a site-local group, interfaces by address", "[ff05::7721]", "fd99::1", "fd99::2"],
  ]) {
    it(`UDP-4, UDP-10 hops and loopback decide who hears a group (${name})`, async () => {
      wire()
      const far = program(FAR, listener(`udp://${farNic};${group}:7001`))
      const near = program(
        NEAR,
        `
        ${listener(`udp://${nearNic};${group}:7001`)}
        const radios = { both: {}, "near only": { multicastHops: 0 }, "far only": { multicastLoopback: false } }
        for (const [body, options] of Object.entries(radios)) {
          const radio = new Radio(options)
          radio.connect("udp://${nearNic};${group}:7001")
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
