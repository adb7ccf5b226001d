import assert from "node:assert/strict"
import net from "node:net"
import type { Browser, BrowserContext, Page } from "playwright-core"
import { Watch } from "../../cli/web/watch.ts"
import type { Fabric } from "../../index.ts"
import { chromiumOrSkip } from "../support/chromium.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { buildPage, busy, enter, shop } from "./web.ts"

/** What functions that run in the page use of it: these sources are compiled without the types of browsers. */
interface PageElement {
  readonly id: string
  readonly textContent: string | null
  readonly scrollWidth: number
  getAttribute(name: string): string | null
  getBoundingClientRect(): { readonly left: number; readonly right: number }
}
declare const document: {
  readonly activeElement: PageElement
  readonly documentElement: PageElement
  querySelector(selector: string): PageElement | null
  querySelectorAll(selector: string): Iterable<PageElement> & { readonly length: number }
}
declare const getComputedStyle: (element: unknown) => {
  readonly backgroundColor: string
  readonly color: string
  readonly animationName: string
  readonly stroke: string
}

/** Milliseconds between two looks: quicker than people need it. */
const INTERVAL = 250

describe("heddle top --web: the page", () => {
  closesAfterEach()

  let browser: Browser
  before(async function () {
    await buildPage()
    browser = await chromiumOrSkip(this)
  })
  after(() => browser?.close())

  let nodes: Fabric[] = []
  /** What the browser complained about, and what it asked for. */
  let complaints: string[] = []
  let requests: string[] = []

  /** Looks on until the test ends. */
  async function watching(node: Fabric, port = 0): Promise<Watch> {
    const watch = await Watch.open(node, { host: "127.0.0.1", port, interval: INTERVAL })
    let open = true
    const looking = (async () => {
      while (open) {
        await watch.look()
        await new Promise(resolve => setTimeout(resolve, INTERVAL))
      }
    })()
    later(async () => {
      open = false
      await looking
      await watch.close()
    })
    return watch
  }

  async function open(url: string, options: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
    const context: BrowserContext = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
    later(() => context.close())
    const page = await context.newPage()
    page.setDefaultTimeout(20_000)
    complaints = []
    requests = []
    page.on("console", message => ["error", "warning"].includes(message.type()) && complaints.push(message.text()))
    page.on("pageerror", error => complaints.push(error.message))
    page.on("request", request => requests.push(request.url()))
    await page.goto(url)
    return page
  }

  /** Three nodes, of which one has a name that must not become markup, and traffic from the first to the second. */
  async function small(): Promise<Watch> {
    nodes = await shop("watcher", "alpha", "beta", "<img src=x onerror=alert(1)>")
    const [, alpha, beta] = nodes
    await beta.subscribe("orders.>", () => {}).ready
    beta.serve("stock", () => 1)
    busy(alpha, "orders.eu")
    busy(alpha, "orders.us", 20)
    busy(alpha, "prices", 50)
    return watching(nodes[0])
  }

  const shown = (page: Page): Promise<string[]> =>
    page.locator("#graph [role=option]").evaluateAll(all => all.map(one => one.getAttribute("aria-label") ?? ""))

  /** Waits until the page says so. */
  async function waitFor(page: Page, what: () => boolean): Promise<void> {
    await page.waitForFunction(what)
  }

  it("shows nodes, links, subjects and latencies, and the figures move", async () => {
    const watch = await small()
    const page = await open(watch.url)
    await page.locator("#graph [role=option]").nth(2).waitFor()
    // On a busy machine a node may be silent for a sheet: what is shown then is right, and not what is looked for here.
    await page.waitForFunction(wanted => {
      const labels = [...document.querySelectorAll("#graph [role=option]")].map(
        one => one.getAttribute("aria-label") ?? "",
      )
      const busy = document.querySelectorAll("#graph .busy")
      return (
        labels.length === 3 &&
        labels.some(label => label.startsWith(wanted)) &&
        labels.some(label => /^alpha: up; [\d,.]+ messages out, 0 in per second$/.test(label)) &&
        document.querySelectorAll("#graph .link").length === 3 &&
        // As thick as there is traffic: one direction of one link.
        busy.length === 1 &&
        Number(document.querySelector("#graph .busy")?.getAttribute("stroke-width")) > 1
      )
    }, "<img src=x onerror=alert(1)>: up")
    assert.equal(await page.locator("#state").textContent(), "Live")
    assert.equal(await page.locator("#fabric").textContent(), "shop")
    const row = page.locator("#subjects tr[data-key='orders.eu']")
    await row.waitFor()
    const total = await row.locator("td").last().textContent()
    await page.waitForFunction(
      before => document.querySelector("#subjects tr[data-key='orders.eu'] td:last-child")?.textContent !== before,
      total,
    )
    await waitFor(page, () => (document.querySelector("#subjects .line")?.getAttribute("d")?.length ?? 0) > 20)
    await waitFor(page, () => document.querySelectorAll("#latency tbody tr[data-key]").length === 3)
    assert.equal(await page.locator("#slow .empty").textContent(), "Everybody keeps up.")
    // Nothing of another origin, nothing that its policy refused, no script of others.
    const { origin } = new URL(watch.url)
    assert.deepEqual(
      requests.filter(one => !one.startsWith(`${origin}/`) && !one.startsWith("data:")),
      [],
    )
    assert.deepEqual(complaints, [])
  })

  it("shows who comes and who goes, and that nobody is there", async () => {
    nodes = await shop("watcher")
    const page = await open((await watching(nodes[0])).url)
    await page.locator("#graph-empty").waitFor()
    assert.match((await page.locator("#graph-empty").textContent()) ?? "", /^Nobody else is in the fabric/)
    const late = await enter("late", nodes[0])
    await page.locator("#graph [role=option]").waitFor()
    assert.equal(await page.locator("#graph-empty").isVisible(), false)
    await page.locator("#news .join").waitFor()
    await late.close()
    await page.locator("#news .leave").waitFor()
    await page.locator("#graph-empty").waitFor()
    assert.deepEqual(complaints, [])
  })

  it("is used by the keyboard alone: Tab to the parts, arrows in graph and table, Enter chooses", async () => {
    const watch = await small()
    const page = await open(watch.url)
    await page.locator("#subjects tr[data-key='prices']").waitFor()
    const focus = () =>
      page.evaluate(() => {
        const one = document.activeElement
        return one.id || one.getAttribute("data-node") || one.getAttribute("data-key") || one.textContent || ""
      })
    const ids = await page
      .locator("#graph [role=option]")
      .evaluateAll(all => all.map(one => one.getAttribute("data-node")))
    const tab = async (): Promise<string> => {
      await page.keyboard.press("Tab")
      return focus()
    }
    assert.deepEqual([await tab(), await tab(), await tab(), await tab()], ["To the content", "pause", "theme", ids[0]])
    // What has the focus can be seen.
    const halo = () => page.locator(`[data-node="${ids[0]}"] .halo`).evaluate(one => getComputedStyle(one).stroke)
    assert.notEqual(await halo(), "none")
    await page.keyboard.press("ArrowRight")
    assert.equal(await focus(), ids[1])
    assert.equal(await halo(), "none")
    await page.keyboard.press("End")
    await page.keyboard.press("ArrowDown")
    assert.equal(await focus(), ids[0], "it goes round")
    await page.keyboard.press("ArrowLeft")
    assert.equal(await focus(), ids[2])
    await page.keyboard.press("Enter")
    assert.equal(await page.locator(`[data-node="${ids[2]}"]`).getAttribute("aria-selected"), "true")
    const name = await page.locator(`[data-node="${ids[2]}"] .name`).textContent()
    assert.equal(await page.locator("#details-title").textContent(), name)
    await page.keyboard.press("Escape")
    assert.equal(await page.locator("#details-title").textContent(), "Node")
    // The table: its heads sort, its rows are gone through.
    await page.locator("#subjects thead button").first().focus()
    await page.keyboard.press("Enter")
    assert.equal(await page.locator("#subjects th").first().getAttribute("aria-sort"), "ascending")
    for (let i = 0; i < 5; i++) await page.keyboard.press("Tab")
    assert.equal(await tab(), "orders.eu")
    await page.keyboard.press("ArrowDown")
    assert.equal(await focus(), "orders.us")
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowUp")
    assert.equal(await focus(), "orders.eu")
    await page.keyboard.press("Enter")
    await page.locator("#samples li").first().waitFor()
    assert.deepEqual(watch.patterns, ["orders.eu"])
    assert.equal(await focus(), "orders.eu", "sheets that come do not take the focus away")
    assert.deepEqual(complaints, [])
  })

  it("shows messages of a pattern, which somebody types, until they are stopped", async () => {
    const watch = await small()
    const page = await open(watch.url)
    await page.locator("#state[data-state=live]").waitFor()
    assert.deepEqual(watch.patterns, [])
    await page.locator("#pattern").fill("orders..x")
    await page.keyboard.press("Enter")
    await waitFor(page, () => /Invalid/.test(document.querySelector("#messages-note")?.textContent ?? ""))
    await page.locator("#pattern").fill("orders.>")
    await page.keyboard.press("Enter")
    const summary = page.locator("#samples summary").first()
    await summary.waitFor()
    assert.match((await summary.textContent()) ?? "", /orders\.(eu|us)\d+ B\{"number":\d+\}/)
    // While one is open the list stands still.
    await summary.click()
    await page.locator("#samples details[open] pre").first().waitFor()
    const count = await page.locator("#samples li").count()
    await waitFor(page, () => /stands still/.test(document.querySelector("#messages-count")?.textContent ?? ""))
    assert.equal(await page.locator("#samples li").count(), count)
    await page.locator("#stop").click()
    await waitFor(page, () => /^Stopped/.test(document.querySelector("#messages-note")?.textContent ?? ""))
    assert.deepEqual(watch.patterns, [])
  })

  it("stands still while it is paused, and goes on with what is true then", async () => {
    const watch = await small()
    const page = await open(watch.url)
    await page.locator("#graph [role=option]").nth(2).waitFor()
    await page.locator("#pause").click()
    assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "true")
    await nodes[3].close()
    await page.locator("#news .leave").waitFor()
    assert.equal((await shown(page)).length, 3)
    await page.locator("#pause").click()
    await waitFor(page, () => document.querySelectorAll("#graph [role=option]").length === 2)
  })

  it("is light or dark as the system is, or as it is told", async () => {
    const watch = await small()
    const page = await open(watch.url, { colorScheme: "light" })
    const brightness = () =>
      page.evaluate(() => {
        const sum = (colour: string): number =>
          (colour.match(/\d+/g) ?? []).slice(0, 3).reduce((all, one) => all + +one, 0)
        const { backgroundColor, color } = getComputedStyle(document.documentElement)
        return sum(backgroundColor) - sum(color)
      })
    assert.ok((await brightness()) > 0)
    await page.emulateMedia({ colorScheme: "dark" })
    assert.ok((await brightness()) < 0)
    await page.locator("#theme").selectOption("light")
    assert.ok((await brightness()) > 0)
    await page.reload()
    assert.ok((await brightness()) > 0, "it is remembered")
    await page.locator("#theme").selectOption("system")
    assert.ok((await brightness()) < 0)
  })

  it("moves nothing for whom movement is too much", async () => {
    const watch = await small()
    const page = await open(watch.url, { reducedMotion: "no-preference" })
    await page.locator("#graph .flows").first().waitFor({ state: "attached" })
    const moves = () =>
      page
        .locator("#graph .flows")
        .first()
        .evaluate(one => getComputedStyle(one).animationName)
    assert.equal(await moves(), "flow")
    await page.emulateMedia({ reducedMotion: "reduce" })
    assert.equal(await moves(), "none")
  })

  it("fits a telephone and a large screen", async () => {
    const watch = await small()
    const page = await open(watch.url, { viewport: { width: 360, height: 740 } })
    await page.locator("#graph [role=option]").nth(2).waitFor()
    for (const width of [360, 640, 1_000, 1_920]) {
      await page.setViewportSize({ width, height: 740 })
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width)
      const outside = await page.evaluate(() => {
        const { left, right } = (document.querySelector("#graph") as PageElement).getBoundingClientRect()
        const parts = [...document.querySelectorAll("#graph .name")].map(one => one.getBoundingClientRect())
        return parts.filter(one => one.left < left - 1 || one.right > right + 1).length
      })
      assert.equal(outside, 0, `names leave the picture at ${width}`)
    }
  })

  it("says that the connection is lost, comes back by itself, and has the messages again", async () => {
    const watch = await small()
    const between = await Between.open(Number(new URL(watch.url).port))
    const page = await open(watch.url.replace(/:\d+\//, `:${between.port}/`))
    await page.locator("#graph [role=option]").nth(2).waitFor()
    await page.locator("#pattern").fill("orders.>")
    await page.keyboard.press("Enter")
    await page.locator("#samples li").first().waitFor()
    between.cut()
    await page.locator("#state[data-state=lost]").waitFor()
    assert.match((await page.locator("#banner").textContent()) ?? "", /^The connection to the node is lost/)
    between.mend()
    await page.locator("#state[data-state=live]").waitFor()
    assert.equal(await page.locator("#banner").isVisible(), false)
    await page.locator("#samples li").first().waitFor()
    assert.deepEqual(watch.patterns, ["orders.>"])
  })

  it("says when the node was started anew, and which address is wanted", async () => {
    nodes = await shop("watcher")
    const first = await watching(nodes[0])
    const page = await open(first.url)
    await page.locator("#state[data-state=live]").waitFor()
    await first.close()
    await page.locator("#state[data-state=lost]").waitFor()
    await watching(nodes[0], Number(new URL(page.url()).port))
    await page.locator("#state[data-state=refused]").waitFor()
    assert.match(
      (await page.locator("#banner").textContent()) ?? "",
      /Open the address that heddle top has printed now/,
    )
  })
})

/** Between the browser and the server: connections can be cut, and new ones refused. */
class Between {
  private readonly sockets = new Set<net.Socket>()
  private readonly server: net.Server
  private open = true

  private constructor(port: number) {
    this.server = net.createServer(near => {
      if (!this.open) {
        near.resetAndDestroy()
        return
      }
      const far = net.connect(port, "127.0.0.1")
      for (const [from, to] of [
        [near, far],
        [far, near],
      ]) {
        this.sockets.add(from)
        from.on("error", () => {})
        from.on("close", () => {
          this.sockets.delete(from)
          to.destroy()
        })
        from.pipe(to)
      }
    })
  }

  static async open(port: number): Promise<Between> {
    const between = new Between(port)
    await new Promise<void>(resolve => between.server.listen(0, "127.0.0.1", resolve))
    later(() => {
      between.cut()
      between.server.close()
    })
    return between
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port
  }

  cut(): void {
    this.open = false
    for (const socket of this.sockets) socket.resetAndDestroy()
  }

  mend(): void {
    this.open = true
  }
}
