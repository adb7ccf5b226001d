import assert from "node:assert/strict"
import { EventEmitter } from "node:events"
import type { ServerResponse } from "node:http"
import { EventStream } from "../../cli/web/event-stream.ts"
import { isOurHost } from "../../cli/web/guard.ts"
import { Links } from "../../cli/web/links.ts"
import { Losses } from "../../cli/web/losses.ts"
import { Overview } from "../../cli/web/overview.ts"
import { Past, POINTS } from "../../cli/web/past.ts"
import { sampleOf } from "../../cli/web/preview.ts"
import type { Sheet } from "../../cli/web/sheet.ts"
import { addressOf } from "../../cli/web/top.ts"
import { join, type NodeStats } from "../../index.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"

type Stats = NodeStats["stats"]
type Peer = Stats["peers"][number]

function peer(node: string, more: Partial<Peer> = {}): Peer {
  return {
    node,
    name: node,
    up: true,
    messagesSent: 0,
    messagesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    dropped: 0,
    queued: 0,
    unacknowledged: 0,
    roundTrip: -1,
    ...more,
  }
}

function node(name: string, stats: Partial<Stats> = {}): NodeStats {
  return {
    node: name,
    name,
    pid: 1,
    roundTrip: 1,
    cpu: 0,
    memory: 0,
    stats: {
      messagesSent: 0,
      messagesReceived: 0,
      bytesSent: 0,
      bytesReceived: 0,
      dropped: 0,
      dropReasons: { full: 0, conflated: 0, stale: 0, malformed: 0, unacknowledged: 0 },
      gaps: 0,
      missing: 0,
      requests: 0,
      tasks: { outstanding: 0, queued: 0, acknowledged: 0, redelivered: 0, failed: 0, deadLettered: 0, late: 0 },
      peers: [],
      subjects: [],
      takers: [],
      clients: [],
      ...stats,
    },
  }
}

const drops = (full: number): Partial<Stats> => ({
  dropped: full,
  dropReasons: { full, conflated: 0, stale: 0, malformed: 0, unacknowledged: 0 },
})

describe("heddle top --web: what is looked at", () => {
  it("the two ends of a link are one link; its rates are those of the end that has more to tell", () => {
    const links = new Links()
    const at = (sent: number, now: number) =>
      links.update(
        [
          node("a", { peers: [peer("b", { messagesSent: sent, roundTrip: 2 }), peer("me")] }),
          node("b", { peers: [peer("a", { messagesReceived: sent - 1, messagesSent: 4, roundTrip: 4 })] }),
          node("me", { peers: [peer("a")] }),
        ],
        "me",
        now,
      )
    at(100, 1_000)
    const [link, ...others] = at(300, 3_000)
    assert.deepEqual(others, [])
    assert.deepEqual([link.a, link.b, link.there, link.back, link.roundTrip, link.state], ["a", "b", 100, 0, 3, "up"])
  })

  it("a link is as well as the end that is worse off; a silent end hides nothing", () => {
    const state = (a: Partial<Peer>, b: Partial<Peer> | null): string => {
      const ends = [node("a", { peers: [peer("b", a)] }), node("b", { peers: b === null ? [] : [peer("a", b)] })]
      return new Links().update(ends, "", 1)[0].state
    }
    assert.equal(state({}, {}), "up")
    assert.equal(state({ queued: 1 }, {}), "slow")
    assert.equal(state({}, { unacknowledged: 1024 * 1024 }), "slow")
    assert.equal(state({ up: false }, { queued: 1 }), "down")
    assert.equal(state({ queued: 1 }, { up: false }), "down")
    assert.equal(state({}, null), "up")
  })

  it("drops are news at once, then every ten seconds with their sum", () => {
    const losses = new Losses()
    const news = (full: number, now: number): string[] =>
      losses.update([node("a", drops(full))], now).losses.map(one => one.text)
    assert.deepEqual(news(7, 0), [], "what was before is no news")
    assert.deepEqual(news(8, 1_000), ["dropped 1 message (full)"])
    assert.deepEqual(news(10, 2_000), [])
    assert.deepEqual(news(1_010, 9_000), [])
    assert.deepEqual(news(1_010, 11_000), ["dropped 1,002 messages (full)"])
    assert.deepEqual(news(1_010, 30_000), [])
    assert.deepEqual(news(1_011, 31_000), ["dropped 1 message (full)"])
    // The process was started anew.
    assert.deepEqual(news(0, 32_000), [])
    assert.deepEqual(news(2, 60_000), ["dropped 2 messages (full)"])
  })

  it("gaps are news; an older node that tells no reasons is counted all the same", () => {
    const losses = new Losses()
    losses.update([node("a", { gaps: 1, missing: 5 }), node("old", { dropped: 3 })], 0)
    const { drops: table, losses: news } = losses.update(
      [node("a", { gaps: 2, missing: 12 }), node("old", { dropped: 7 })],
      2_000,
    )
    assert.deepEqual(
      news.map(({ type, name, text }) => `${type} ${name} ${text}`),
      [
        "gap a is missing 7 messages: a link was away for longer than its window",
        "drop old dropped 4 messages (not told)",
      ],
    )
    assert.deepEqual(table, [{ node: "old", name: "old", reason: "not told", total: 7, rate: 2 }])
  })

  it("a sheet is bounded; what is not well is never left out", () => {
    const overview = new Overview()
    const many = (count: number, sent: number) =>
      Array.from({ length: count }, (_, i) =>
        node(`n${String(i).padStart(3, "0")}`, {
          messagesSent: sent * i,
          peers: i === 0 ? [] : [peer("n000", { messagesSent: sent * i })],
          subjects: [
            { subject: `s.${i}`, messagesSent: sent * i, messagesReceived: 0, bytesSent: 0, bytesReceived: 0 },
          ],
        }),
      )
    const silent = [{ node: "zzz", name: "x".repeat(5_000), why: "no answer" }]
    assert.equal(overview.update({ nodes: many(900, 0), silent }, [], "me", 0).sheet, null)
    const { sheet, losses } = overview.update({ nodes: many(900, 1), silent }, [], "me", 1_000)
    assert.ok(sheet !== null)
    assert.deepEqual([sheet.nodes.length, sheet.subjects.length, sheet.more.nodes], [150, 200, 751])
    assert.equal(sheet.more.subjects, 700)
    const lost = sheet.nodes.find(({ id }) => id === "zzz")
    assert.deepEqual([lost?.state, lost?.why, lost?.name.length], ["silent", "no answer", 200])
    assert.ok(JSON.stringify(sheet).length < 200_000)
    assert.deepEqual(losses, [], "that it is silent was told before")
  })

  it("the past is a minute of points, for what there is", () => {
    const past = new Past()
    const sheet = (i: number): Sheet => ({
      at: 0,
      published: i,
      bytesSent: 0,
      dropped: 0,
      nodes: [],
      links: [],
      subjects: i < 5 ? [{ subject: "s", published: i + 1, received: 0, bytes: 0, total: 0 }] : [],
      slow: [],
      drops: [],
      more: { nodes: 0, links: 0, subjects: 0 },
    })
    for (let i = 0; i < 10; i++) past.add(sheet(i))
    assert.deepEqual(past.history().subjects, { s: [1, 2, 3, 4, 5, 0, 0, 0, 0, 0] })
    for (let i = 10; i < 100; i++) past.add(sheet(i))
    const { published, subjects } = past.history()
    assert.deepEqual([published.length, published[POINTS - 1]], [POINTS, 99])
    assert.deepEqual(subjects, {}, "a curve that is nothing but zero is none")
  })
})

describe("heddle top --web: what goes to a page", () => {
  closesAfterEach()

  /** A response that takes as much as the test says. */
  class Slow extends EventEmitter {
    readonly written: string[] = []
    takes = true
    destroyed = false
    writeHead(): void {}
    end(): void {}
    destroy(): void {
      this.destroyed = true
      this.emit("close")
    }
    write(text: string): boolean {
      this.written.push(text)
      return this.takes
    }
  }

  it("a slow page gets the newest sheet only, and of other events so many", () => {
    const response = new Slow()
    const stream = new EventStream(response as unknown as ServerResponse)
    stream.newest("1")
    response.takes = false
    stream.newest("2")
    for (let i = 3; i < 10; i++) stream.newest(`${i}`)
    for (let i = 0; i < 300; i++) stream.add("news", i)
    assert.equal(response.written.length, 2)
    response.takes = true
    response.emit("drain")
    const data = response.written.map(text => text.split("\n").slice(0, 2).join(" "))
    assert.equal(data.length, 2 + 200 + 1)
    assert.equal(data[2], "event: news data: 100")
    assert.equal(data.at(-1), "event: sheet data: 9")
    assert.equal(stream.dropped, 6 + 100)
    stream.newest("10")
    assert.equal(response.written.at(-1), "event: sheet\ndata: 10\n\n")
    response.destroy()
  })

  it("a payload is shown as what it is, and not all of it", async () => {
    const a = using(await join("previews", { discovery: [], listen: [] }))
    const seen: ReturnType<typeof sampleOf>[] = []
    const messages = a.subscribe("x", message => {
      seen.push(sampleOf(message, 1))
    })
    const last = async () => {
      while (seen.length === 0) await new Promise(resolve => setImmediate(resolve))
      const { kind, preview, cut } = seen.shift() as ReturnType<typeof sampleOf>
      return [kind, preview, cut]
    }
    const cases: [unknown, string | undefined, [string, string, boolean]][] = [
      [{ a: [1, null] }, undefined, ["json", '{"a":[1,null]}', false]],
      ["plain", undefined, ["text", "plain", false]],
      [7n, undefined, ["json", '"7"', false]],
      [undefined, undefined, ["text", "", false]],
      [{ b: 1 }, "json", ["json", '{"b":1}', false]],
      [Buffer.from("readable"), "bytes", ["text", "readable", false]],
      [Buffer.from([1, 2, 255]), "bytes", ["hex", "01 02 ff", false]],
      ["y".repeat(1_000), "string", ["text", "y".repeat(600), true]],
      ["z".repeat(100_000), "string", ["text", "z".repeat(600), true]],
      [Buffer.alloc(1_000), "bytes", ["hex", Array(128).fill("00").join(" "), true]],
    ]
    for (const [data, codec, wanted] of cases) {
      a.publish("x", data, { codec })
      assert.deepEqual(await last(), wanted)
    }
    a.publish("x", Array(50_000).fill(1000))
    const [kind, preview, cut] = await last()
    assert.deepEqual([kind, (preview as string).length, cut], ["hex", 128 * 3 - 1, true])
    messages.unsubscribe()
  })

  it("the address is a port, or an address and a port", () => {
    assert.deepEqual(addressOf(true), { host: "127.0.0.1", port: 0 })
    assert.deepEqual(addressOf("8080"), { host: "127.0.0.1", port: 8080 })
    assert.deepEqual(addressOf("0.0.0.0:80"), { host: "0.0.0.0", port: 80 })
    assert.deepEqual(addressOf("[::1]:0"), { host: "::1", port: 0 })
    assert.deepEqual(addressOf("box.lan:7"), { host: "box.lan", port: 7 })
    for (const wrong of ["", "x", "65536", "a b:1", "::1:80", "http://a:1", "1.2.3.4:", ":80"])
      assert.throws(() => addressOf(wrong), { name: "UsageError" }, wrong)
  })

  it("a Host header is ours when it is a number, localhost, or the name that was given", () => {
    for (const host of ["127.0.0.1", "10.0.0.7:8080", "[::1]:80", "localhost:1", "LOCALHOST", "Box.lan:7"])
      assert.ok(isOurHost(host, "box.lan"), host)
    for (const host of [
      undefined,
      "",
      ":80",
      "evil.example",
      "localhost.evil.example",
      "127.0.0.1x",
      "[::1",
      "a:b:c",
      "0x7f.1",
    ])
      assert.ok(!isOurHost(host, "box.lan"), String(host))
  })
})
