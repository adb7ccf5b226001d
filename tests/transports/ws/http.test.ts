import assert from "node:assert/strict"
import { once } from "node:events"
import http from "node:http"
import type { WebResponse, WebServerKind } from "../../../core/web.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { turns, until } from "../../support/wait.ts"
import { RawWebPeer } from "./raw-web-peer.ts"
import { KINDS, Log, openWeb } from "./web-suite.ts"

for (const kind of KINDS) {
  describe(`Plain HTTP by ${kind}`, () => {
    closesAfterEach()
    plainHttp(kind)
  })
}

/** The address for `fetch`. */
const at = (endpoint: string, path: string): string => endpoint.replace("ws:", "http:") + path

function plainHttp(kind: WebServerKind): void {
  it("shows a request with its body, and sends the answer", async () => {
    const log = new Log()
    log.request = (request, response) => {
      log.upgrades.push(request)
      response.reply(202, { "content-type": "application/json", "x-one": "1" }, `{"bytes":${request.body.length}}`)
    }
    const { server } = await openWeb(kind, {}, log)
    const body = Buffer.alloc(300_000, "body")
    const response = await fetch(at(server.endpoint, "/subjects/a.b?request&timeout=5"), {
      method: "POST",
      body,
      headers: { "Content-Type": "application/octet-stream", "X-Two": "2" },
    })
    assert.deepEqual(
      [response.status, response.headers.get("x-one"), response.headers.get("content-type")],
      [202, "1", "application/json"],
    )
    assert.deepEqual(await response.json(), { bytes: body.length })
    const [request] = log.upgrades
    assert.deepEqual(
      [request.method, request.path, request.query, request.headers.get("x-two"), request.address],
      ["POST", "/subjects/a.b", "request&timeout=5", "2", "127.0.0.1"],
    )
    assert.ok(request.body.equals(body))
  })

  it("answers every method, with a body or without, one after the other on one connection", async () => {
    const log = new Log()
    log.request = (request, response) => response.reply(200, {}, `${request.method} ${request.body}`)
    const { server } = await openWeb(kind, {}, log)
    for (const [method, body, expected] of [
      ["GET", undefined, "GET "],
      ["POST", "", "POST "],
      ["PUT", "x", "PUT x"],
      ["DELETE", undefined, "DELETE "],
      ["OPTIONS", undefined, "OPTIONS "],
    ] as const) {
      const response = await fetch(at(server.endpoint, "/"), { method, body })
      assert.deepEqual([response.status, await response.text()], [200, expected])
    }
    const head = await fetch(at(server.endpoint, "/"), { method: "HEAD" })
    assert.deepEqual([head.status, await head.text()], [200, ""])
    const peer = await RawWebPeer.connect(server.endpoint)
    peer.socket.write("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(() => peer.head !== "")
    peer.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(() => peer.body.endsWith("GET "))
    assert.match(peer.body, /^HTTP\/1\.1 200/, "a body where none may be")
  })

  it("may be answered later, by others than the handler", async () => {
    const log = new Log()
    log.request = (request, response) => void setImmediate(() => response.reply(200, {}, request.path))
    const { server } = await openWeb(kind, {}, log)
    const answers = await Promise.all([1, 2, 3].map(async n => (await fetch(at(server.endpoint, `/${n}`))).text()))
    assert.deepEqual(answers, ["/1", "/2", "/3"])
  })

  it("refuses a body of more than maxBodySize with 413, announced or not, and shows it to nobody", async () => {
    const log = new Log()
    const { server } = await openWeb(kind, { maxBodySize: 1_000 }, log)
    let asked = 0
    log.request = (_request, response) => {
      asked++
      response.reply(200, {}, "taken")
    }
    const post = async (body: string): Promise<number> =>
      (await fetch(at(server.endpoint, "/"), { method: "POST", body })).status
    assert.deepEqual([await post("x".repeat(1_000)), await post("x".repeat(1_001))], [200, 413])
    const request = http.request(at(server.endpoint, "/"), { method: "POST" })
    request.on("error", () => {})
    const answered = once(request, "response")
    for (let n = 0; n < 30; n++) request.write("x".repeat(100))
    const [response] = (await answered) as [http.IncomingMessage]
    request.destroy()
    assert.deepEqual([response.statusCode, asked], [413, 1])
  })

  it("streams chunks as they are written, until it is ended", async () => {
    const log = new Log()
    const responses: WebResponse[] = []
    log.request = (_request, response) => {
      response.head(200, { "content-type": "text/event-stream", "cache-control": "no-store" })
      responses.push(response)
    }
    const { server } = await openWeb(kind, {}, log)
    const answering = fetch(at(server.endpoint, "/events"))
    await until(() => responses.length === 1)
    const [response] = responses
    assert.equal(response.write("data: 1\n\n"), "sent")
    const answer = await answering
    assert.equal(answer.headers.get("content-type"), "text/event-stream")
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    const next = async (): Promise<string> => Buffer.from((await reader.read()).value ?? []).toString()
    assert.equal(await next(), "data: 1\n\n")
    assert.equal(response.write(""), "sent")
    assert.equal(response.write(Buffer.from("data: 2\n\n")), "sent")
    assert.equal(await next(), "data: 2\n\n")
    response.end("data: 3\n\n")
    assert.equal(await next(), "data: 3\n\n")
    assert.ok((await reader.read()).done)
    assert.ok(response.over)
    response.end()
    assert.equal(response.write("more"), "dropped")
  })

  it("tells when its reader went away, once", async () => {
    const log = new Log()
    let aborts = 0
    let response: WebResponse | undefined
    log.request = (_request, one) => {
      response = one
      one.aborted = () => {
        aborts++
      }
      one.head(200)
      one.write("there")
    }
    const { server } = await openWeb(kind, {}, log)
    const abort = new AbortController()
    await fetch(at(server.endpoint, "/"), { signal: abort.signal })
    abort.abort()
    await until(() => aborts === 1)
    assert.equal(response?.over, true)
    response?.write("x")
    response?.end()
    response?.destroy()
    await turns(5)
    assert.equal(aborts, 1)
  })

  it("drops what a reader that does not read would have to wait for, and tells when there is room", async () => {
    const log = new Log()
    let response: WebResponse | undefined
    let drains = 0
    log.request = (_request, one) => {
      response = one
      one.drained = () => {
        drains++
      }
      one.head(200)
      one.write("there")
    }
    const { server } = await openWeb(kind, { maxBackpressure: 200_000 }, log)
    const peer = await RawWebPeer.connect(server.endpoint)
    peer.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(() => peer.head !== "" && response !== undefined)
    peer.stall()
    const chunk = "x".repeat(64 * 1024)
    let taken = 0
    while (response?.write(chunk) !== "dropped") {
      assert.ok(++taken < 1_000, "nothing is ever dropped")
      await turns(1)
    }
    const before = drains
    peer.read()
    await until(() => drains > before)
    assert.notEqual(response?.write("more"), "dropped")
    response?.end()
    await until(() => peer.body.endsWith("0\r\n\r\n"))
  })

  it("gets 404 where nobody serves it, and 503 when there are too many", async () => {
    const log = new Log()
    const { server } = await openWeb(kind, { maxPending: 1 }, log)
    assert.equal((await fetch(at(server.endpoint, "/"))).status, 404)
    const slow = await RawWebPeer.connect(server.endpoint)
    slow.socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12")
    let statuses: number[] = []
    await until(() => {
      if (statuses.length > 0 && statuses.at(-1) === 503) return true
      void fetch(at(server.endpoint, "/")).then(one => statuses.push(one.status))
      return false
    })
    slow.socket.destroy()
    statuses = []
    await until(() => {
      if (statuses.at(-1) === 404) return true
      void fetch(at(server.endpoint, "/")).then(one => statuses.push(one.status))
      return false
    })
  })

  it("ends with its server: streams are cut", async () => {
    const log = new Log()
    let aborts = 0
    log.request = (_request, response) => {
      response.aborted = () => {
        aborts++
      }
      response.head(200)
      response.write("there")
    }
    const { server } = await openWeb(kind, {}, log)
    const peer = await RawWebPeer.connect(server.endpoint)
    peer.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(() => peer.head !== "")
    await server.close()
    await until(() => peer.gone)
    assert.equal(aborts, 0, "it was our side")
  })
}
