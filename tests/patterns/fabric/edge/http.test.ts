import assert from "node:assert/strict"
import http from "node:http"
import { closesAfterEach, later } from "../../../support/cleanup.ts"
import { turns, until } from "../../../support/wait.ts"
import { events } from "../nodes.ts"
import { open, SERVERS } from "./edge-node.ts"

/** One event of a stream. */
interface Event {
  readonly id: string
  readonly event: string
  readonly data: string
}

/** A stream of Server-Sent Events, as it comes. */
class EventReader {
  readonly events: Event[] = []
  headers: http.IncomingHttpHeaders = {}
  status = 0
  ended = false
  response: http.IncomingMessage | null = null
  private rest = ""

  constructor(url: string, headers: Record<string, string> = {}) {
    const request = http.get(url, { headers, agent: false }, response => {
      this.response = response
      this.headers = response.headers
      this.status = response.statusCode ?? 0
      response.setEncoding("utf8")
      response.on("data", (text: string) => this.take(text))
      response.on("end", () => {
        this.ended = true
      })
      response.on("error", () => {})
    })
    request.on("error", () => {})
    later(() => request.destroy())
    this.close = () => request.destroy()
  }

  readonly close: () => void

  async opened(): Promise<void> {
    await until(() => this.status > 0)
  }

  async count(count: number): Promise<Event[]> {
    await until(() => this.events.length >= count || this.ended)
    return this.events
  }

  private take(text: string): void {
    this.rest += text
    for (let end = this.rest.indexOf("\n\n"); end !== -1; end = this.rest.indexOf("\n\n")) {
      const fields: Record<string, string> = {}
      for (const line of this.rest.slice(0, end).split("\n")) {
        const [, name, value] = /^(\w*): ?(.*)$/.exec(line) ?? []
        if (name !== undefined) fields[name] = value
      }
      if (fields.data !== undefined) this.events.push({ id: fields.id, event: fields.event, data: fields.data })
      this.rest = this.rest.slice(end + 2)
    }
  }
}

for (const server of SERVERS) {
  describe(`Plain HTTP at the edge by ${server}`, () => {
    closesAfterEach()

    it("publishes what is posted, by its media type, and says to how many", async () => {
      const { node, http: base } = await open({ server, publish: ["orders.>"] })
      const got: unknown[] = []
      node.subscribe("orders.*", message => void got.push([message.subject, message.data]))
      const post = (type: string, body: string | Buffer): Promise<Response> =>
        fetch(`${base}/subjects/orders.eu`, { method: "POST", headers: { "content-type": type }, body: body as string })
      const first = await post("application/json", '{"id": 7}')
      assert.equal(first.status, 202)
      assert.deepEqual(await first.json(), { peers: 1, dropped: 0 })
      await post("text/plain; charset=utf-8", "grüße")
      await post("application/octet-stream", Buffer.from([1, 2]))
      // What curl sends unless told otherwise.
      await post("application/x-www-form-urlencoded", '{"id":8}')
      await post("application/x-www-form-urlencoded", "a=b")
      await post("application/msgpack", Buffer.from([0x81, 0xa1, 0x61, 0x05]))
      await until(() => got.length === 6)
      assert.deepEqual(
        got.map(one => (one as unknown[])[1]),
        [{ id: 7 }, "grüße", Buffer.from([1, 2]), { id: 8 }, "a=b", { a: 5 }],
      )
      const bad = await post("application/json", "{")
      assert.equal(bad.status, 400)
      assert.equal(bad.headers.get("content-type"), "application/problem+json")
      const problem = (await bad.json()) as Record<string, unknown>
      assert.deepEqual([problem.status, problem.code], [400, "EINVAL"])
    })

    it("asks, and gives the answer as what it is", async () => {
      const { node, http: base } = await open({ server, request: ["math.*"] })
      node.serve("math.double", message => ({ twice: (message.data as number) * 2 }))
      node.serve("math.text", () => Buffer.from("bytes"))
      node.serve("math.nothing", () => undefined)
      node.serve("math.fail", () => {
        throw Object.assign(new Error("no such number"), { code: "ENUM" })
      })
      node.serve("math.never", () => new Promise(() => {}))
      const ask = (subject: string, more = ""): Promise<Response> =>
        fetch(`${base}/subjects/${subject}?request${more}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: "21",
        })
      const answer = await ask("math.double")
      assert.deepEqual([answer.status, await answer.json()], [200, { twice: 42 }])
      assert.equal(await (await ask("math.text")).text(), "bytes")
      assert.equal((await ask("math.nothing")).status, 204)
      const failed = await ask("math.fail")
      const problem = (await failed.json()) as Record<string, unknown>
      assert.deepEqual([failed.status, problem.code, problem.remoteCode], [502, "ERR_REMOTE", "ENUM"])
      assert.equal((await ask("math.nobody")).status, 503)
      assert.equal((await ask("math.never", "&timeout=20")).status, 504)
      assert.equal((await ask("math.never", "&timeout=x")).status, 400)
      assert.equal((await ask("other")).status, 403)
    })

    it("streams what is published, with history, and resumes by the id of the last event", async () => {
      const { node, http: base } = await open({ server, subscribe: ["orders.>"] })
      node.keep("orders.>")
      node.publish("orders.eu", { id: 1 })
      node.publish("orders.us", { id: 2 })
      const url = `${base}/subjects/orders.%3E?history=last`
      const first = new EventReader(url)
      await first.count(2)
      assert.equal(first.status, 200)
      assert.equal(first.headers["content-type"], "text/event-stream")
      node.publish("orders.eu", { id: 3 })
      node.publish("orders.eu", Buffer.from([255]))
      const got = await first.count(4)
      assert.deepEqual(
        got.map(({ event, data }) => [event, data]),
        [
          ["orders.eu", '{"id":1}'],
          ["orders.us", '{"id":2}'],
          ["orders.eu", '{"id":3}'],
          ["orders.eu", '{"base64":"/w=="}'],
        ],
      )
      first.close()
      await until(() => node.stats().edge?.streams === 0)
      node.publish("orders.eu", { id: 5 })
      node.publish("orders.eu", { id: 6 })
      const second = new EventReader(`${base}/subjects/orders.>?history=last`, { "last-event-id": got[2].id })
      assert.deepEqual(
        (await second.count(3)).map(one => one.data),
        ['{"base64":"/w=="}', '{"id":5}', '{"id":6}'],
      )
      // Of another process, or from before it: nobody knows how many are missing.
      const strange = new EventReader(`${base}/subjects/orders.other`, { "last-event-id": "x.1.1" })
      assert.deepEqual((await strange.count(1))[0].event, "$heddle.gap")
      assert.equal(strange.events[0].data, '{"missing":null}')
      strange.close()
      await until(() => node.stats().edge?.streams === 1)
      // A late one, without history in its way, and with an end.
      const third = new EventReader(`${base}/subjects/orders.*?max=2&as=envelope`)
      await third.opened()
      await until(() => node.stats().edge?.streams === 2)
      for (let id = 7; id < 10; id++) node.publish("orders.eu", { id })
      await until(() => third.ended)
      assert.deepEqual(
        third.events.map(one => one.data),
        ['{"subject":"orders.eu","data":{"id":7}}', '{"subject":"orders.eu","data":{"id":8}}'],
      )
    })

    it("keeps a stream in order that is slow, and says what it has missed", async () => {
      const { node, http: base } = await open({
        server,
        subscribe: [">"],
        maxBuffer: 64 * 1024,
        resume: { bytes: 256 * 1024 },
      })
      const slow = new EventReader(`${base}/subjects/big`)
      await slow.opened()
      await until(() => node.stats().edge?.streams === 1)
      slow.response?.pause()
      const text = "x".repeat(20_000)
      for (let i = 0; i < 600; i++) {
        node.publish("big", { i, text })
        if (i % 10 === 0) await turns(1)
      }
      slow.response?.resume()
      await until(() => slow.events.some(one => one.data.startsWith('{"i":599,')))
      let missing = 0
      let last = -1
      let pending = 0
      for (const { event, data } of slow.events) {
        if (event === "$heddle.gap") {
          pending = (JSON.parse(data) as { missing: number }).missing
          missing += pending
          continue
        }
        const { i } = JSON.parse(data) as { i: number }
        assert.equal(i, last + 1 + pending)
        last = i
        pending = 0
      }
      assert.ok(missing > 0)
      assert.equal(missing, node.stats().edge?.missed)
    })

    it("asks for tokens, knows origins, and bounds streams and rates", async () => {
      const { node, http: base } = await open({
        server,
        subscribe: [">"],
        publish: [">"],
        origins: ["https://good.example"],
        token: token => (token === "secret" ? { user: "me" } : null),
        maxStreams: 1,
        rate: { messages: 10 },
      })
      const seen = events(node, "edge")
      const url = `${base}/subjects/a`
      const nobody = await fetch(url)
      assert.deepEqual([nobody.status, nobody.headers.get("www-authenticate")], [401, "Bearer"])
      const authorization = "Bearer secret"
      const evil = await fetch(url, {
        method: "POST",
        headers: { authorization, origin: "https://evil.example" },
        body: "1",
      })
      assert.equal(evil.status, 403)
      assert.equal(evil.headers.get("access-control-allow-origin"), null)
      const origin = "https://good.example"
      const preflight = await fetch(url, { method: "OPTIONS", headers: { origin } })
      assert.deepEqual([preflight.status, preflight.headers.get("access-control-allow-origin")], [204, origin])
      const good = await fetch(url, { method: "POST", headers: { authorization, origin }, body: "1" })
      assert.deepEqual([good.status, good.headers.get("access-control-allow-origin")], [202, origin])
      assert.equal((await fetch(url, { method: "PUT", headers: { authorization }, body: "1" })).status, 405)
      const stream = new EventReader(`${url}?access_token=secret`)
      await stream.opened()
      assert.equal((await fetch(`${url}?access_token=secret`)).status, 503)
      const statuses = await Promise.all(
        Array.from({ length: 30 }, () =>
          fetch(url, { method: "POST", headers: { authorization }, body: "1" }).then(one => one.status),
        ),
      )
      assert.ok(statuses.includes(202) && statuses.includes(429), statuses.join())
      await until(() => seen.some(one => one.error?.code === "EAGAIN"))
    })

    it("serves the files it was given, and nothing else", async () => {
      const { http: base } = await open({
        server,
        files: {
          "/": { type: "text/html", body: "<p>ä</p>", headers: { "content-security-policy": "default-src 'self'" } },
          "/a.bin": { type: "application/octet-stream", body: new Uint8Array([1, 255]) },
        },
      })
      const page = await fetch(`${base}/`)
      assert.deepEqual(
        [page.status, page.headers.get("content-type"), await page.text()],
        [200, "text/html", "<p>ä</p>"],
      )
      assert.equal(page.headers.get("content-security-policy"), "default-src 'self'")
      assert.deepEqual(Buffer.from(await (await fetch(`${base}/a.bin`)).arrayBuffer()), Buffer.from([1, 255]))
      assert.equal((await fetch(`${base}/a.bin`, { method: "HEAD" })).status, 200)
      assert.equal((await fetch(`${base}/other`)).status, 404)
      assert.equal((await fetch(`${base}/`, { method: "POST", body: "x" })).status, 405)
    })

    it("survives what is no HTTP, and no path", async () => {
      const { node, http: base } = await open({ server, subscribe: [">"], publish: [">"], maxMessageSize: 10_000 })
      assert.equal((await fetch(`${base}/subjects/%ff`)).status, 400)
      assert.equal((await fetch(`${base}/subjects/`)).status, 400)
      assert.equal((await fetch(`${base}/subjects/a..b`)).status, 400)
      assert.equal((await fetch(`${base}/subjects/a.>`, { method: "POST", body: "x" })).status, 400)
      assert.equal((await fetch(`${base}/subjects/$heddle.x`)).status, 400)
      assert.equal((await fetch(`${base}/subjects/a?history=-1`)).status, 400)
      assert.equal((await fetch(`${base}/subjects/a?history=1001`)).status, 400)
      const large = await fetch(`${base}/subjects/a`, { method: "POST", body: "x".repeat(20_000) }).catch(() => null)
      assert.ok(large === null || large.status === 413)
      const aborted = new EventReader(`${base}/subjects/a`)
      await aborted.opened()
      aborted.close()
      await until(() => node.stats().edge?.streams === 0)
      assert.equal((await fetch(`${base}/subjects/a`, { method: "POST", body: "x" })).status, 202)
    })
  })
}
