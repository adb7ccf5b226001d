import assert from "node:assert/strict"
import type { Browser, Page } from "playwright-core"
import type { Fabric } from "../../index.ts"
import { another, overTcp } from "../patterns/fabric/nodes.ts"
import { chromiumOrSkip } from "../support/chromium.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { Valve } from "../support/valve.ts"
import { pass, until } from "../support/wait.ts"
import { browserModule } from "./bundle.ts"

/** What the page of a careful host would say: no evaluated text, nothing from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'; require-trusted-types-for 'script'"

/** Functions that the tests call in the page by `evaluate`; it has no types here. */
const PAGE_SCRIPT = `
import * as heddle from "/heddle-browser.js"
const violations = []
addEventListener("securitypolicyviolation", event => violations.push(event.violatedDirective + " " + event.blockedURI))
const url = location.origin.replace("http", "ws")
globalThis.open = async options => {
  const fabric = await heddle.connect(url, { reconnect: { delay: 5, maxDelay: 50 }, ...options })
  const events = []
  for (const type of ["resuming", "resumed", "gap", "drop", "unconfirmed", "error", "closed"])
    fabric.events.on(type, event => events.push(event.type === "resumed" ? "resumed" + (event.lost ? " lost" : "") : event.type))
  return Object.assign(globalThis, { fabric, events, got: [] })
}
Object.assign(globalThis, { heddle, violations, ready: true })
`

const WORKER_SCRIPT = `
import { connect } from "/heddle-browser.js"
const fabric = await connect(location.origin.replace("http", "ws"))
await fabric.serve("worker.double", ({ data }) => data * 2).ready
postMessage("ready")
`

/** What the page has in `globalThis`. */
interface Window {
  ready?: boolean
  events: string[]
  got: unknown[]
  violations: string[]
  // biome-ignore lint/suspicious/noExplicitAny: the module in the page
  fabric: any
  // biome-ignore lint/suspicious/noExplicitAny: the module in the page
  heddle: any
  open(options?: object): Promise<unknown>
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

async function nodeWithPage(listen = "ws://127.0.0.1:0"): Promise<Fabric> {
  const script = { type: "text/javascript" }
  const files = {
    "/": {
      type: "text/html",
      body: '<!doctype html><title>t</title><script type="module" src="/page.js"></script>',
      headers: { "content-security-policy": POLICY },
    },
    "/page.js": { ...script, body: PAGE_SCRIPT },
    "/worker.js": { ...script, body: WORKER_SCRIPT, headers: { "content-security-policy": POLICY } },
    "/heddle-browser.js": { ...script, body: await browserModule() },
  }
  const lists = { publish: [">"], subscribe: [">"], request: [">"], serve: [">"] }
  const [node] = await overTcp(1, { edge: { listen, files, rate: { messages: 0 }, ...lists } })
  return node
}

describe("heddle/browser in Chromium", () => {
  closesAfterEach()
  let browser: Browser

  before(async function () {
    browser = await chromiumOrSkip(this)
  })

  after(async () => {
    await browser?.close()
  })

  const load = async (address: string): Promise<Page> => {
    const context = await browser.newContext()
    later(() => context.close())
    const tab = await context.newPage()
    await tab.goto(address.replace(/^(ws|tcp)/, "http"))
    await tab.waitForFunction(() => (globalThis as unknown as Window).ready === true)
    return tab
  }

  it("publishes, subscribes, asks and answers under a strict Content-Security-Policy", async () => {
    const node = await nodeWithPage()
    const far = await another(node)
    const tab = await load(node.edgeEndpoints[0])
    const errors: string[] = []
    tab.on("console", message => void (message.type() === "error" && errors.push(message.text())))
    far.serve("stock.check", ({ data }) => ({ left: data.sku.length }))
    await node.ready({ subject: "stock.check", servers: 1 })
    const heard = far.subscribe("from.page")
    await heard.ready
    const answers = await tab.evaluate(async () => {
      const window = globalThis as unknown as Window
      await window.open({ name: "the page" })
      const { fabric, heddle, got } = window
      await fabric.subscribe("to.page", ({ data }: { data: unknown }) => void got.push(data)).ready
      await fabric.serve("page.title", ({ data }: { data: string }) => `${data} ${heddle.HeddleError.name.length > 0}`)
        .ready
      const sent = await fabric.send("from.page", {
        at: new Date(1e12),
        list: new Set([1, 2]),
        bytes: new Uint8Array([7]),
      })
      const { data } = await fabric.request("stock.check", { sku: "warp" })
      const none = await fabric.request("nobody", 1).catch((error: { code: string }) => error.code)
      return [sent.peers, data, none, fabric.node]
    })
    assert.deepEqual(answers, [1, { left: 4 }, "ERR_NO_RESPONDERS", node.name])
    assert.deepEqual((await heard.receive()).data, { at: new Date(1e12), list: [1, 2], bytes: Buffer.from([7]) })
    await far.ready({ subject: "page.title", servers: 1 })
    assert.equal((await far.request("page.title", "a title:")).data, "a title: true")
    far.publish("to.page", { price: 1.5 })
    await tab.waitForFunction(() => (globalThis as unknown as Window).got.length === 1)
    assert.deepEqual(await tab.evaluate(() => (globalThis as unknown as Window).got), [{ price: 1.5 }])
    assert.deepEqual([await tab.evaluate(() => (globalThis as unknown as Window).violations), errors], [[], []])
  })

  it("loses its connection, again and again, and neither loses a message nor gets one twice", async () => {
    const node = await nodeWithPage()
    const valve = await Valve.open(node.edgeEndpoints[0].replace("ws", "tcp"))
    later(() => valve.close())
    const tab = await load(valve.endpoint)
    const up: unknown[] = []
    await node.subscribe("up", ({ data }) => void up.push(data)).ready
    await tab.evaluate(async () => {
      const window = globalThis as unknown as Window
      await window.open()
      const { fabric, got } = window
      await fabric.subscribe("down", ({ data }: { data: unknown }) => void got.push(data)).ready
      let i = 0
      const timer = setInterval(() => {
        for (let left = 5; left > 0; left--) fabric.publish("up", i++)
        if (i >= 400) clearInterval(timer)
      }, 5)
    })
    for (let i = 0; i < 400; i++) {
      node.publish("down", i)
      if (i % 5 === 0) await pass(4)
      if (i % 100 === 50) valve.cut()
    }
    await until(() => up.length >= 400)
    await tab.waitForFunction(() => (globalThis as unknown as Window).got.length >= 400)
    const [got, events] = await tab.evaluate(() => {
      const { got, events } = globalThis as unknown as Window
      return [got, events] as const
    })
    assert.deepEqual([up, got], [upTo(400), upTo(400)])
    assert.ok(events.length >= 4, events.join())
    assert.deepEqual(new Set(events), new Set(["resuming", "resumed"]))
  })

  it("outlives its node, and tells what it does not know", async () => {
    // By the relay the page has one address, wherever the node listens.
    const first = await nodeWithPage()
    const valve = await Valve.open(first.edgeEndpoints[0].replace("ws", "tcp"))
    const port = Number(/\d+$/.exec(valve.endpoint)?.[0])
    const tab = await load(valve.endpoint)
    await tab.evaluate(async () => {
      const window = globalThis as unknown as Window
      await window.open()
      await window.fabric.subscribe("news", ({ data }: { data: unknown }) => void window.got.push(data)).ready
    })
    await first.close()
    await valve.close()
    await tab.waitForFunction(() => (globalThis as unknown as Window).fabric.status === "resuming")
    const results = await tab.evaluate(() => {
      const { fabric } = globalThis as unknown as Window
      return [fabric.publish("late", "kept"), fabric.publish("late", "too")]
    })
    assert.deepEqual(
      results.map(({ taken }: { taken: boolean }) => taken),
      [true, true],
    )
    const second = await nodeWithPage()
    const late = second.subscribe("late")
    const again = await Valve.open(second.edgeEndpoints[0].replace("ws", "tcp"), port)
    later(() => again.close())
    assert.deepEqual([(await late.receive()).data, (await late.receive()).data], ["kept", "too"])
    await second.ready({ subject: "news" })
    second.publish("news", "hello again")
    await tab.waitForFunction(() => (globalThis as unknown as Window).got.length === 1)
    const events = await tab.evaluate(() => (globalThis as unknown as Window).events)
    assert.deepEqual(events.filter(event => event !== "resuming").sort(), ["gap", "resumed lost"])
  })

  it("works in a worker, too", async () => {
    const node = await nodeWithPage()
    const tab = await load(node.edgeEndpoints[0])
    await tab.evaluate(async () => {
      const { Worker } = globalThis as unknown as {
        Worker: new (url: string, options: object) => { onmessage: () => void }
      }
      const policy = (
        globalThis as unknown as {
          trustedTypes: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } }
        }
      ).trustedTypes
      const url = policy.createPolicy("own", { createScriptURL: (one: string) => one }).createScriptURL("/worker.js")
      const worker = new Worker(url, { type: "module" })
      await new Promise<void>(resolve => (worker.onmessage = resolve))
    })
    assert.equal((await node.request("worker.double", 21)).data, 42)
  })
})
