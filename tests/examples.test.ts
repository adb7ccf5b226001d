import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const folder = fileURLToPath(new URL("../examples/", import.meta.url))

/** What each example prints, line by line and in any order: some of them race on purpose. */
const PRINTS: Record<string, readonly RegExp[]> = {
  "publish-subscribe": [
    /^everything: weather\.rome 31/,
    /^everything: weather\.oslo -4/,
    /^only Oslo: weather\.oslo -4/,
  ],
  pipeline: [1, 2, 3, 4, 5, 6, 7, 8, 9].map(n => new RegExp(`^worker [123]: ${n} squared is ${n * n}$`)),
  "request-reply": [/^warp -> WARP$/, /^weft -> WEFT$/, /^heddle -> HEDDLE$/],
  "many-requests": [/^question 0: slept 60 ms$/, /^question 1: slept 20 ms$/, /^question 2: slept 40 ms$/],
  survey: [/^Ada heard/, /^Grace heard/, /^Edsger heard/],
  "worker-threads": [/^1 \+ 2 \+ \.\.\. \+ 100000 = 5000050000$/],
  "simulated-network/main": [
    /^200 s: the network is parted$/,
    /^204 s: healed; [345] orders are under way$/,
    /^600 s: 0 of 600 orders are missing$/,
  ],
  "microservices/main": [
    /^stock\.check warp: 12 left$/,
    /^stock\.take 2 warp: 10 left, says stock$/,
    /^stock\.take 5 weft: TOO_FEW, \{"left":3\}$/,
    /^stock\.take 5 silk: UNKNOWN_SKU, null$/,
    /^prices\.ask warp: ERR_NO_RESPONDERS$/,
    /^the client ended with code 0$/,
    /^the server ended with code 0$/,
  ],
  chat: ["Ada", "Grace", "Edsger"].flatMap((me, _, people) =>
    people
      .filter(other => other !== me)
      .flatMap(other => [new RegExp(`^${me}: ${other} is here$`), new RegExp(`^${me}: ${other} says: hello, all$`)]),
  ),
  "work-queue": [/^worker 2 is killed after 10 results$/, /^delivered twice: \d/, /^40 of 40 tasks are done$/],
  "last-values": [
    /^kept: prices\.tin 33\.2$/,
    /^kept: prices\.copper 9\.84$/,
    /^live: prices\.copper 9\.9$/,
    /^cache: copper 9\.9$/,
    /^cache: tin 33\.2$/,
    /^cache: lead unknown$/,
  ],
  "streaming-reply": [
    /^client: a heddle is the part of a loom that every thread passes through$/,
    /^server: told 13 of 13 words$/,
    /^client: a heddle is \.\.\. is enough$/,
    /^server: told [1-9] of 13 words$/,
  ],
  "zeromq-client": [
    /^node: orders\.eu, order 42$/,
    /^SUB: invoices\.eu \{"order":42,"total":12\.5\}$/,
    /^REQ: \{"sku":"warp","left":7\}$/,
    /^REQ: ERR_NO_RESPONDERS$/,
    /^SUB client: 0 messages from it, 1 to it$/,
    /^PUSH client: 1 messages from it, 0 to it$/,
    /^REQ client: 2 messages from it, 2 to it$/,
  ],
  "drain-on-sigterm": [
    /^service: SIGTERM, draining$/,
    /^5 of 5 requests were answered$/,
    /^service: drained$/,
    /^the service ended with code 0$/,
    /^a request after that: ERR_NO_RESPONDERS$/,
  ],
  "compare-api/main": [
    /^requests, in turn +[\d.]+ ms +[\d.]+ ms$/,
    /^event +[\d.]+ ms +[\d.]+ ms$/,
    /^requests, in turn +20 refused +0 of 20$/,
    /^requests, together +20 refused +0 of 20$/,
    /^event +all accepted +0 of 20$/,
    /^tasks +all accepted +20 of 20$/,
  ],
  // Who lost a process for the whole part would lose more than four digits; on a busy machine a thousand wait at one worker.
  "fabric-demo/main": [
    /^FORM +6 processes/,
    /^LOSE +worker 2 was killed/,
    /^RECOVER +worker 2 is back/,
    /^ +\d{1,4} lost .* 0 handled twice$/,
    /^tasks +(\d+) pushed, \1 done/,
    /^requests +[\d,]+ answered/,
  ],
  "flights/main": [/nothing was lost, nothing came twice/],
  "durable-orders/main": [
    /^the bridge is killed: \d+ orders are (on the bridge's disk|in Kafka), \d+ wait for an answer$/,
    /^3000 of 3000 orders are (on the bridge's disk|in Kafka), 0 were refused$/,
    /^replayed: 3000 orders; missing 0, twice 0, out of order 0$/,
    /^last of orders\.lima: order 2999$/,
    /^the bridge ended with code 0$/,
  ],
  "browser-chat/main": [
    /^bob hears ann: hello, bob$/,
    /^carol finds 20 messages: line 6 to line 25$/,
    /^here are ann, bob, carol$/,
    /^ann in the name of bob: EACCES$/,
    /^who has no name: EACCES$/,
  ],
  "live-map/main": [
    /^216 airports, the busiest is DFW \(Dallas-Fort Worth\)$/,
    /^outlines: a path$/,
    /^20 of 20 flights from DFW are on the map$/,
    /^in the air: many$/,
  ],
  "watch-connections": [/^first received: one$/, /^second received: two$/, /^sent 2, dropped \{\}$/],
}

/** Shorter than what a person wants to see. */
const ARGUMENTS: Record<string, readonly string[]> = {
  "fabric-demo/main": ["1"],
  "flights/main": ["20000"],
  // Pages wait for people; with this they test themselves.
  "browser-chat/main": ["--check"],
  "live-map/main": ["--check"],
}

describe("examples", () => {
  it("has an expectation for each", () => {
    const names = readdirSync(folder, { withFileTypes: true })
      .map(entry => (entry.isDirectory() ? `${entry.name}/main.js` : entry.name))
      .filter(name => name.endsWith(".js") && existsSync(folder + name))
      .map(name => name.slice(0, -3))
    assert.deepEqual(names.sort(), Object.keys(PRINTS).sort())
  })

  for (const [name, lines] of Object.entries(PRINTS)) {
    it(`${name} runs to its end and prints what it promises`, async () => {
      let left: string[] = []
      const temporary = mkdtempSync(path.join(os.tmpdir(), "h-"))
      const { stdout, stderr } = await promisify(execFile)(
        process.execPath,
        [`${folder}${name}.js`, ...(ARGUMENTS[name] ?? [])],
        { env: { ...process.env, TMPDIR: temporary }, timeout: 50_000 },
      ).finally(() => {
        left = readdirSync(temporary)
        rmSync(temporary, { recursive: true })
      })
      assert.equal(stderr, "")
      assert.deepEqual(left, [], "files are left behind")
      const printed = stdout.trim().split("\n")
      for (const line of lines)
        assert.ok(
          printed.some(text => line.test(text)),
          `${line} is missing in:\n${stdout}`,
        )
    })
  }
})
