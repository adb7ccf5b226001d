import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import type { BridgeConfig } from "../../../bridge-kafka/config/bridge-config.ts"
import { diffConfigs } from "../../../bridge-kafka/config/diff.ts"
import { loadBridgeConfig } from "../../../bridge-kafka/config/file.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { EXAMPLE } from "./example.ts"
import { REGISTRIES } from "./registries.ts"

function load(text: string, environment: Record<string, string> = { KPW: "x" }): Promise<BridgeConfig> {
  const file = path.join(temporaryFolder(), "bridge.json")
  fs.writeFileSync(file, text)
  return loadBridgeConfig(file, { registries: REGISTRIES, environment })
}

describe("A configuration's file", () => {
  closesAfterEach()

  it("is read, also with a byte order mark", async () => {
    assert.equal((await load(`\ufeff${EXAMPLE}`)).name, "orders")
  })

  it("finds files of secrets beside itself", async () => {
    const folder = temporaryFolder()
    fs.writeFileSync(
      path.join(folder, "bridge.json"),
      EXAMPLE.replace("${env:KPW}", "${file:secrets.properties:kafka}"),
    )
    fs.writeFileSync(path.join(folder, "secrets.properties"), "kafka=sesame")
    const config = await loadBridgeConfig(path.join(folder, "bridge.json"), { registries: REGISTRIES, environment: {} })
    assert.equal(config.kafka?.["sasl.password"], "sesame")
  })

  it("is named in errors", async () => {
    await assert.rejects(load(EXAMPLE, {}), {
      code: "ERR_CONFIG",
      message: /^1 mistake in \S+bridge\.json:\n {2}kafka\.sasl\.password: the environment variable KPW is not set$/,
    })
    await assert.rejects(load("{"), { code: "ERR_CONFIG", message: /bridge\.json is no JSON/ })
    const nowhere = path.join(temporaryFolder(), "no.json")
    await assert.rejects(loadBridgeConfig(nowhere, { registries: REGISTRIES }), { code: "ENOENT" })
    await assert.rejects(loadBridgeConfig(temporaryFolder(), { registries: REGISTRIES }), { code: "ERR_CONFIG" })
  })

  describe("compared with the one before", () => {
    type Json = {
      name: string
      spool: Record<string, unknown>
      connectors: { name: string; config: Record<string, unknown> }[]
    }
    const changed = async (change: (json: Json) => void): Promise<ReturnType<typeof diffConfigs>> => {
      const json = JSON.parse(EXAMPLE) as Json
      change(json)
      return diffConfigs(await load(EXAMPLE), await load(JSON.stringify(json)))
    }

    it("is the same when nothing changed but the order", async () => {
      const same = { added: [], removed: [], changed: [], process: [] }
      assert.deepEqual(await changed(() => {}), same)
      assert.deepEqual(await changed(json => json.connectors.reverse()), same)
    })

    it("tells what a running connector takes over, and what it is started anew for", async () => {
      const live = await changed(json =>
        Object.assign(json.connectors[0].config, { "errors.tolerance": "all", topic: "new" }),
      )
      assert.deepEqual(
        live.changed.map(({ name, settings, restart }) => ({ name, settings: [...settings].sort(), restart })),
        [{ name: "orders-out", settings: ["routes", "topic"], restart: false }],
      )
      const anew = await changed(json => Object.assign(json.connectors[1].config, { "ack.timeout.ms": "9s" }))
      assert.deepEqual(
        anew.changed.map(({ name, settings, restart }) => ({ name, settings, restart })),
        [{ name: "prices-in", settings: ["ackTimeoutMs"], restart: true }],
      )
      const subjects = await changed(json => Object.assign(json.connectors[0].config, { subjects: "x.>" }))
      assert.equal(subjects.changed[0].restart, true)
    })

    it("tells connectors that came and went", async () => {
      const diff = await changed(json => Object.assign(json.connectors[1], { name: "other" }))
      assert.deepEqual([diff.added.map(one => one.name), diff.removed], [["other"], ["prices-in"]])
      assert.deepEqual([diff.changed, diff.process], [[], []])
    })

    it("tells what needs a new process", async () => {
      const diff = await changed(json => Object.assign(json.spool, { full: "drop-new" }))
      assert.deepEqual(diff.process, ["spool"])
    })
  })
})
