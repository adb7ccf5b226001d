import assert from "node:assert/strict"
import type { Bridge } from "../../bridge-kafka/bridge.ts"
import { startBridge } from "../../bridge-kafka/index.ts"
import { overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { readPrometheus } from "./metrics/prometheus-reader.ts"

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

describe("control over HTTP, as Connect has it", () => {
  closesAfterEach()

  let bridge: Bridge
  let base: string

  beforeEach(async () => {
    const [fabric] = await overTcp(1)
    const config = {
      name: "box",
      spool: { dir: temporaryFolder(), "max.bytes": "8MiB" },
      control: { http: { port: 0 } },
      connectors: [{ name: "rec", config: { "connector.class": "FabricToKafka", subjects: "orders.>" } }],
    }
    bridge = await startBridge(config, { fabric })
    later(() => bridge.close())
    base = bridge.httpAddress as string
  })

  async function ask(
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const answer = await fetch(`${base}${path}`, { method, body, headers })
    const text = await answer.text()
    return { status: answer.status, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) }
  }

  it("listens on this machine alone", () => {
    assert.match(base, /^http:\/\/127\.0\.0\.1:\d+$/)
  })

  it("lists, describes and tells", async () => {
    assert.equal((await ask("GET", "/")).body.bridge, "box")
    assert.deepEqual((await ask("GET", "/connectors")).body, ["rec"])
    const described = await ask("GET", "/connectors/rec")
    assert.deepEqual([described.status, described.body.name, described.body.type], [200, "rec", "sink"])
    const { body: status } = await ask("GET", "/connectors/rec/status")
    assert.equal((status.connector as { state: string }).state, "RUNNING")
    const { body: expanded } = await ask("GET", "/connectors?expand=status&expand=info")
    assert.deepEqual(Object.keys(expanded.rec as object), ["status", "info"])
    assert.deepEqual((await ask("GET", "/health")).body.status, "healthy")
  })

  it("pauses, resumes, stops and restarts", async () => {
    const state = (): string => bridge.status().connectors[0].state
    const steps = [
      ["PUT", "pause", 202, "paused"],
      ["PUT", "resume", 202, "running"],
      ["PUT", "stop", 204, "stopped"],
      ["PUT", "resume", 202, "running"],
      ["POST", "restart", 204, "running"],
    ] as const
    for (const [method, what, status, after] of steps) {
      assert.equal((await ask(method, `/connectors/rec/${what}`)).status, status)
      assert.equal(state(), after)
    }
  })

  it("says what is wrong as Connect does", async () => {
    const wrong = async (status: number, method: string, path: string, body?: string): Promise<void> => {
      const answer = await ask(method, path, body)
      assert.equal(answer.status, status, `${method} ${path}`)
      assert.equal(answer.body.error_code, status)
      assert.equal(typeof answer.body.message, "string")
    }
    await wrong(404, "GET", "/connectors/none/status")
    await wrong(404, "GET", "/nothing")
    await wrong(404, "GET", "/connectors/rec/nothing")
    await wrong(405, "DELETE", "/connectors/rec")
    await wrong(405, "POST", "/metrics")
    await wrong(405, "GET", "/connectors/rec/pause")
    await wrong(400, "GET", "/connectors/rec/offsets")
    await wrong(400, "PATCH", "/connectors/rec/offsets", "{")
    await wrong(400, "GET", "/connectors/%E0%A4%A")
    await wrong(413, "PATCH", "/connectors/rec/offsets", "x".repeat(9 * 1024 * 1024))
  })

  it("refuses what a web page asks for", async () => {
    const { status } = await ask("PUT", "/connectors/rec/pause", undefined, { origin: "http://evil.example" })
    assert.equal(status, 403)
    assert.equal(bridge.status().connectors[0].state, "running")
  })

  it("asks for its token, for everything, and compares all of it", async () => {
    const [fabric] = await overTcp(1)
    const token = "a-token-of-16-chars"
    const config = {
      name: "locked",
      spool: { dir: temporaryFolder(), "max.bytes": "8MiB" },
      control: { http: { port: 0, token, host: "0.0.0.0" } },
      connectors: [{ name: "rec", config: { "connector.class": "FabricToKafka", subjects: "orders.>" } }],
    }
    const locked = await startBridge(config, { fabric })
    later(() => locked.close())
    const at = (locked.httpAddress as string).replace("0.0.0.0", "127.0.0.1")
    const status = async (path: string, authorization?: string, method = "GET"): Promise<number> => {
      const answer = await fetch(`${at}${path}`, {
        method,
        headers: authorization === undefined ? {} : { authorization },
      })
      if (answer.status === 401) assert.equal(answer.headers.get("www-authenticate"), "Bearer")
      await answer.text()
      return answer.status
    }
    const wrong = [
      undefined,
      "",
      token,
      `Basic ${token}`,
      `Bearer ${token}x`,
      `Bearer ${token.slice(0, -1)}`,
      "Bearer ",
    ]
    for (const one of wrong) {
      for (const path of ["/", "/health", "/metrics", "/connectors/rec/config", "/nothing"])
        assert.equal(await status(path, one), 401, `${path} ${one}`)
      assert.equal(await status("/connectors/rec/stop", one, "PUT"), 401)
    }
    assert.equal(locked.status().connectors[0].state, "running")
    for (const path of ["/health", "/metrics", "/connectors/rec/config"])
      for (const scheme of ["Bearer", "bearer"]) assert.equal(await status(path, `${scheme} ${token}`), 200)
    assert.equal(await status("/connectors/rec/stop", `Bearer ${token}`, "PUT"), 204)
    assert.equal(locked.status().connectors[0].state, "stopped")
  })

  it("gives its metrics to Prometheus", async () => {
    const answer = await fetch(`${base}/metrics`)
    assert.match(answer.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/)
    const found = readPrometheus(await answer.text())
    assert.ok([...found.keys()].some(name => name.startsWith("heddle_bridge_spool_bytes")))
  })
})
