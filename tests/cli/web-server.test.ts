import assert from "node:assert/strict"
import http from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import type { Hello, Messages, News, Sheet } from "../../cli/web/sheet.ts"
import { Watch } from "../../cli/web/watch.ts"
import type { Fabric } from "../../index.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { until } from "../support/wait.ts"
import { at, buildPage, busy, Events, enter, shop } from "./web.ts"

/** The answer to a request with headers that `fetch` does not let one set. */
function raw(
  url: string,
  headers: http.OutgoingHttpHeaders,
  method = "GET",
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: false }, response => {
      let text = ""
      response.setEncoding("utf8").on("data", data => {
        text += data
      })
      response.on("end", () => resolve({ status: response.statusCode as number, text }))
    })
    request.on("error", reject).end()
  })
}

describe("heddle top --web: the server", () => {
  closesAfterEach()
  before(buildPage)

  let nodes: Fabric[] = []
  let watch: Watch

  async function open(...names: string[]): Promise<void> {
    nodes = await shop("watcher", ...names)
    watch = await Watch.open(nodes[0], { host: "127.0.0.1", port: 0, interval: 100 })
    later(() => watch.close())
  }

  function choose(page: string, pattern: unknown, more: Record<string, string> = {}): Promise<Response> {
    const headers = { "content-type": "application/json", ...more }
    return fetch(at(watch.url, "/subject"), { method: "POST", headers, body: JSON.stringify({ page, pattern }) })
  }

  it("gives the page to who knows the token, with a policy that lets nothing else in", async () => {
    await open()
    const page = await fetch(watch.url)
    assert.equal(page.status, 200)
    assert.match(await page.text(), /^<!doctype html>/)
    const policy = page.headers.get("content-security-policy") ?? ""
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'/)
    assert.doesNotMatch(policy, /unsafe|\*|https?:/)
    assert.equal(page.headers.get("referrer-policy"), "no-referrer")
    for (const [file, type] of [
      ["main.js", "text/javascript"],
      ["style.css", "text/css"],
    ]) {
      const found = await fetch(at(watch.url, `/${file}`))
      assert.equal(found.headers.get("content-type"), `${type}; charset=utf-8`)
      // Nothing is loaded from elsewhere: the only address is the name of SVG's language.
      const addresses = (await found.text()).match(/https?:\/\/[^"'\s)]+/g) ?? []
      assert.deepEqual(
        addresses.filter(one => one !== "http://www.w3.org/2000/svg"),
        [],
      )
    }
  })

  it("refuses who does not know the token, everywhere where there is something to see", async () => {
    await open()
    const { origin, searchParams } = new URL(watch.url)
    const token = searchParams.get("token") as string
    assert.ok(token.length >= 24)
    for (const wrong of ["", "?token=", `?token=${token.slice(1)}`, `?token=${token}x`, "?token=%F0%9F"]) {
      for (const path of ["/", "/events"]) {
        const response = await fetch(`${origin}${path}${wrong}`)
        assert.equal(response.status, 403, path + wrong)
        assert.match(await response.text(), /token/)
      }
      assert.equal((await fetch(`${origin}/subject${wrong}`, { method: "POST" })).status, 403)
    }
    const bearer = await fetch(origin, { headers: { authorization: `Bearer ${token}` } })
    assert.equal(bearer.status, 200)
  })

  it("refuses other names in the Host header, and other pages", async () => {
    await open()
    const { port } = new URL(watch.url)
    for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1.evil.example", "a@127.0.0.1", "[::1"]) {
      const { status, text } = await raw(watch.url, { host })
      assert.ok(status === 403 || status === 400, `${host}: ${status}`)
      assert.doesNotMatch(text, /doctype/)
    }
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, "192.168.7.7"])
      assert.equal((await raw(watch.url, { host })).status, 200, host)
    const host = `127.0.0.1:${port}`
    for (const origin of ["https://evil.example", "null", `https://${host}`])
      assert.equal((await raw(at(watch.url, "/events"), { host, origin }, "HEAD")).status, 403, origin)
    assert.equal((await raw(at(watch.url, "/events"), { host, origin: `http://${host}` }, "HEAD")).status, 200)
  })

  it("knows few addresses and methods, and says which", async () => {
    await open()
    assert.equal((await fetch(at(watch.url, "/other"))).status, 404)
    assert.equal((await fetch(at(watch.url, "/../../package.json"))).status, 404)
    assert.equal((await fetch(at(watch.url, "/page/main.js"))).status, 404)
    assert.equal((await raw(watch.url, { host: "localhost" }, "HEAD")).text, "")
    const put = await fetch(watch.url, { method: "PUT", body: "x" })
    assert.deepEqual([put.status, put.headers.get("allow")], [405, "GET, HEAD"])
    const get = await fetch(at(watch.url, "/subject"))
    assert.deepEqual([get.status, get.headers.get("allow")], [405, "POST"])
    const post = (body: string, type = "application/json"): Promise<Response> =>
      fetch(at(watch.url, "/subject"), { method: "POST", headers: { "content-type": type }, body })
    assert.equal((await post("{}", "text/plain")).status, 415)
    for (const body of ["", "{}", "null", '{"page":1,"pattern":"a"}', '{"page":"x"}', '{"page":"x","pattern":["a"]}'])
      assert.equal((await post(body)).status, 400, body)
    assert.equal((await post('{"page":"x","pattern":"a"}')).status, 404)
    assert.equal((await post(`{"page":"${"x".repeat(10_000)}","pattern":"a"}`)).status, 413)
  })

  it("streams what all nodes tell: rates of nodes, links and subjects, without the node that looks on", async () => {
    await open("a", "b")
    const [, a, b] = nodes
    await b.subscribe("ticks.*", () => {}).ready
    busy(a, "ticks.x")
    const events = await Events.open(at(watch.url, "/events"))
    const hello = await events.next<Hello>("hello")
    assert.deepEqual([hello.fabric, hello.interval, hello.sheet], ["shop", 100, null])
    let sheet: Sheet | null = null
    while (sheet === null || sheet.links[0].roundTrip === null) {
      await watch.look()
      if (sheet === null) {
        await sleep(20)
        await watch.look()
      }
      sheet = await events.next<Sheet>("sheet")
    }
    assert.deepEqual(
      sheet.nodes.map(({ name, state, pid }) => [name, state, pid]),
      [
        ["a", "up", process.pid],
        ["b", "up", process.pid],
      ],
    )
    const [link] = sheet.links
    assert.deepEqual([sheet.links.length, link.a, link.b, link.state], [1, ...[a.id, b.id].sort(), "up"])
    assert.ok((link.roundTrip as number) > 0)
    const [out, back] = link.a === a.id ? [link.there, link.back] : [link.back, link.there]
    assert.ok(out > 0 && back === 0, JSON.stringify(link))
    const subject = sheet.subjects.find(one => one.subject === "ticks.x")
    assert.ok(subject !== undefined && subject.published > 0)
    assert.deepEqual([sheet.slow, sheet.drops], [[], []])
    // Who comes later gets the time before.
    const second = await (await Events.open(at(watch.url, "/events"))).next<Hello>("hello")
    assert.equal(second.sheet?.nodes.length, 2)
    assert.ok(second.history.subjects["ticks.x"].length > 0)
    assert.ok(second.history.links[`${link.a} ${link.b}`].length > 0)
  })

  it("tells that nobody is there, who comes, who goes and who drops", async () => {
    await open()
    const events = await Events.open(at(watch.url, "/events"))
    await watch.look()
    assert.deepEqual((await events.next<Sheet>("sheet")).nodes, [])
    const a = await enter("late", nodes[0])
    assert.deepEqual(await told(events, "join"), ["late", "has joined"])
    const full = a.subscribe("x", () => new Promise(() => {}), { limit: 2 })
    await full.ready
    await watch.look()
    for (let i = 0; i < 10; i++) a.publish("x", i)
    await until(() => a.stats().dropReasons.full === 8)
    await watch.look()
    assert.deepEqual(await told(events, "drop"), ["late", "dropped 8 messages (full)"])
    const sheet = await events.next<Sheet>("sheet")
    assert.deepEqual(
      sheet.drops.map(({ name, reason, total }) => [name, reason, total]),
      [["late", "full", 8]],
    )
    assert.deepEqual([sheet.nodes[0].state, sheet.nodes[0].why], ["slow", "it drops messages"])
    assert.deepEqual(
      sheet.slow.map(({ who, what, queued }) => [who, what, queued]),
      [["late", "subscription x", 1]],
    )
    await a.close()
    assert.deepEqual(await told(events, "leave"), ["late", "has left"])
  })

  it("subscribes to what a page has chosen, for as long as it is open", async () => {
    await open("a")
    const [, a] = nodes
    const events = await Events.open(at(watch.url, "/events"))
    const { page } = await events.next<Hello>("hello")
    assert.equal((await choose(page, "orders.>")).status, 204)
    await a.ready({ subject: "orders.eu", subscribers: 1 })
    a.publish("orders.eu", { id: 7 }, { headers: { trace: "t" } })
    a.publish("orders.eu", "text", { codec: "string" })
    a.publish("orders.eu", Buffer.from([0, 255]))
    const lot = await events.next<Messages>("messages")
    assert.deepEqual([lot.pattern, lot.seen, lot.sampled], ["orders.>", 3, false])
    assert.deepEqual(
      lot.samples.map(({ subject, from, kind, preview }) => [subject, from, kind, preview]),
      [
        ["orders.eu", "a", "json", '{"id":7}'],
        ["orders.eu", "a", "text", "text"],
        ["orders.eu", "a", "hex", "00 ff"],
      ],
    )
    assert.deepEqual(lot.samples[0].headers, [["trace", "t"]])
    // A wrong choice leaves the old one.
    const wrong = await choose(page, "a..b")
    assert.equal(wrong.status, 400)
    assert.match(await wrong.text(), /Invalid/)
    assert.equal((await choose(page, "$heddle.>")).status, 400)
    assert.deepEqual(watch.patterns, ["orders.>"])
    assert.equal((await choose(page, null)).status, 204)
    assert.deepEqual(watch.patterns, [])
    await until(() => a.peers.every(({ interests }) => interests === 0))
    assert.equal((await choose(page, "x")).status, 204)
    await events.response.body?.cancel().catch(() => {})
  })

  it("a page that goes away takes its subscription along", async () => {
    await open("a")
    const controller = new AbortController()
    const response = await fetch(at(watch.url, "/events"), { signal: controller.signal })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const { value } = await reader.read()
    const [, page] = /"page":"([^"]+)"/.exec(Buffer.from(value as Uint8Array).toString()) ?? assert.fail("no page")
    await choose(page, "x")
    await nodes[1].ready({ subject: "x", subscribers: 1 })
    controller.abort()
    await until(() => watch.patterns.length === 0 && nodes[1].peers.every(({ interests }) => interests === 0))
  })

  it("of very many messages a page gets some, and publishers are left alone for the rest of the second", async () => {
    await open("a")
    const [, a] = nodes
    const events = await Events.open(at(watch.url, "/events"))
    const { page } = await events.next<Hello>("hello")
    await choose(page, "flood")
    await a.ready({ subject: "flood", subscribers: 1 })
    let stopped = false
    while (!stopped) {
      for (let i = 0; i < 500; i++) stopped = a.publish("flood", i).peers === 0
      await sleep(1)
    }
    const lot = await events.next<Messages>("messages", ({ sampled }) => sampled)
    assert.ok(lot.seen >= 2_000 && lot.samples.length <= 5, `${lot.seen}, ${lot.samples.length}`)
    // In the next second it looks again.
    await a.ready({ subject: "flood", subscribers: 1 })
  })

  it("lets so many pages in at a time, and says that it is closed", async () => {
    await open()
    const pages: Events[] = []
    for (let i = 0; i < 16; i++) pages.push(await Events.open(at(watch.url, "/events")))
    const one = await fetch(at(watch.url, "/events"))
    assert.equal(one.status, 503)
    assert.match(await one.text(), /16 pages are open already/)
    const { url } = watch
    await watch.close()
    for (const page of pages) await page.ended().catch(() => {})
    await assert.rejects(fetch(url))
  })

  it("says what is wrong with an address that cannot be", async () => {
    await open()
    const port = Number(new URL(watch.url).port)
    const again = Watch.open(nodes[0], { host: "127.0.0.1", port, interval: 100 })
    await assert.rejects(again, { name: "CommandError", message: /^port \d+ of 127\.0\.0\.1 is taken/ })
    const nowhere = Watch.open(nodes[0], { host: "192.0.2.1", port: 0, interval: 100 })
    await assert.rejects(nowhere, { name: "CommandError", message: "192.0.2.1 is no address of this machine" })
  })
})

/** The name and the text of the next news of this type. */
async function told(events: Events, type: string): Promise<string[]> {
  const { name, text } = await events.next<News>("news", one => one.type === type)
  return [name, text]
}
