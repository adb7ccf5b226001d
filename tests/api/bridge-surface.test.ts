import assert from "node:assert/strict"
import { createRequire } from "node:module"
import { HeddleError, join, MessageHeaders } from "heddle"
import * as bridge from "heddle/bridge-kafka"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"

/** As programs see it that have installed the package: both bundles, by their names. */
describe("heddle/bridge-kafka", () => {
  closesAfterEach()

  it("has these names", () => {
    assert.deepEqual(Object.keys(bridge).sort(), [
      "DurablePublisher",
      "KafkaError",
      "PoisonError",
      "Replay",
      "bridgeConfig",
      "checkBridge",
      "configPage",
      "controlSubject",
      "diffConfigs",
      "durable",
      "durablePublish",
      "keysText",
      "loadBridgeConfig",
      "platformatic",
      "replay",
      "startBridge",
    ])
  })

  it("shares its classes with heddle", async () => {
    assert.throws(() => bridge.bridgeConfig({}), HeddleError)
    assert.ok(new bridge.KafkaError("fatal", "x") instanceof HeddleError)
    // Encoded payloads, messages and headers of one bundle are known to the other.
    const fabric = await join("surface", { discovery: [] })
    later(() => fabric.close())
    const config = {
      name: "box",
      spool: { dir: temporaryFolder(), "max.bytes": "8MiB" },
      connectors: [{ name: "rec", config: { "connector.class": "FabricToKafka", subjects: "orders.>" } }],
    }
    const running = await bridge.startBridge(config, { fabric })
    later(() => running.close())
    const headers = new MessageHeaders()
    headers.append("mine", "yes")
    await bridge.durablePublish(fabric, "box", "orders.a", { id: 1 }, { ack: "spooled", headers })
    const again: unknown[] = []
    const subscription = fabric.subscribe(
      "orders.a",
      message => void again.push([message.data, message.headers.get("mine")]),
      {
        max: 1,
      },
    )
    for await (const _ of bridge.replay(fabric, "box", { to: "subjects" }));
    await subscription.drain()
    assert.deepEqual(again, [[{ id: 1 }, "yes"]])
  })

  it("can be required where Node can do that", () => {
    if (!process.features.require_module) return
    const required = createRequire(import.meta.url)("heddle/bridge-kafka") as typeof bridge
    assert.equal(required.startBridge, bridge.startBridge)
  })
})
