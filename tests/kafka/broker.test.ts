import { once } from "node:events"
import net from "node:net"
import { kafkaOrSkip, type SharedKafka } from "../support/kafka.ts"

describe("Kafka for tests", () => {
  let kafka: SharedKafka
  before(async function () {
    kafka = await kafkaOrSkip(this)
  })

  it("listens where it says", async () => {
    const [host, port] = kafka.bootstrap.split(",")[0].split(":")
    const socket = net.connect(Number(port), host)
    await once(socket, "connect")
    socket.destroy()
  })
})
