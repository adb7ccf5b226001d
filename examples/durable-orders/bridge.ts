/**
 * The bridge, in a process of its own: what `heddle bridge --config FILE` does, too. Without Kafka its spool is the store; with KAFKA_BOOTSTRAP the
 * orders go through the spool into a topic, exactly once.
 */
import { startBridge } from "heddle/bridge-kafka"

const [folder] = process.argv.slice(2)
const bootstrap = process.env.KAFKA_BOOTSTRAP

const bridge = await startBridge({
  name: "ledger",
  fabric: { name: "shop" },
  ...(bootstrap ? { kafka: { "bootstrap.servers": bootstrap } } : {}),
  spool: { dir: folder },
  connectors: [
    {
      name: "orders",
      config: {
        "connector.class": "FabricToKafka",
        subjects: "orders.>",
        // One process has all of it: nobody has to find out first that it was killed.
        coordination: "none",
        ...(bootstrap
          ? { guarantee: "exactly-once", topic: "heddle-durable-orders", "topic.creation.default.partitions": 3 }
          : {}),
      },
    },
  ],
})
process.once("SIGTERM", () => void bridge.close())
