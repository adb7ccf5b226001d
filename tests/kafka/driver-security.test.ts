import assert from "node:assert/strict"
import type { KafkaProperties } from "../../bridge-kafka/driver.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import type { CodeOptions } from "../../bridge-kafka/platformatic/properties.ts"
import { isError, newTopic, readAll, record, texts } from "../conformance/kafka-driver.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { type KafkaBroker, kafkaOrSkip, USER } from "../support/kafka.ts"

/** What the broker's validator takes: a token that nobody has signed (RFC 7515, "alg": "none"). */
function unsignedToken(name: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url")
  const now = Math.floor(Date.now() / 1_000)
  return `${part({ alg: "none" })}.${part({ sub: name, iat: now, exp: now + 600 })}.`
}

describe("KafkaDriver: platformatic, with SASL and TLS", () => {
  let broker: KafkaBroker
  before(async function () {
    const kafka = await kafkaOrSkip(this)
    // A broker of somebody else's has no users that we know.
    if (kafka.broker === null) return this.skip()
    broker = kafka.broker
  })
  closesAfterEach()

  function open(properties: KafkaProperties, code?: CodeOptions) {
    const driver = platformatic(properties, code)
    later(() => driver.close())
    return driver
  }

  const sasl = (mechanism: string, more: KafkaProperties = {}): KafkaProperties => ({
    "bootstrap.servers": broker.address("SASL_PLAINTEXT"),
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": mechanism,
    ...more,
  })
  const user = { "sasl.username": USER.name, "sasl.password": USER.password }
  const jaas = `org.apache.kafka.Any required username="${USER.name}" password="${USER.password}";`

  async function works(properties: KafkaProperties, code?: CodeOptions): Promise<void> {
    const driver = open(properties, code)
    const topic = await newTopic(driver)
    await (await driver.producer()).produce([record(topic, "through")])
    assert.deepEqual(texts(await readAll(driver, topic)), ["through"])
  }

  it("PLAIN", () => works(sasl("PLAIN", user)))
  it("PLAIN, as Java's clients are told of it", () => works(sasl("PLAIN", { "sasl.jaas.config": jaas })))
  it("SCRAM-SHA-256", () => works(sasl("SCRAM-SHA-256", user)))
  it("SCRAM-SHA-512", () => works(sasl("SCRAM-SHA-512", user)))
  it("OAUTHBEARER with a token", () => works(sasl("OAUTHBEARER", { "sasl.oauthbearer.token": unsignedToken("alice") })))

  it("OAUTHBEARER with a function, asked at every connection", async () => {
    let asked = 0
    const token = async (): Promise<string> => {
      asked++
      return unsignedToken("alice")
    }
    await works(sasl("OAUTHBEARER"), { token })
    assert.ok(asked > 1)
  })

  for (const mechanism of ["PLAIN", "SCRAM-SHA-256"]) {
    it(`a wrong password of ${mechanism} is fatal, at once, and not repeated in the error`, async () => {
      const driver = open(sasl(mechanism, { ...user, "sasl.password": "gue55ed" }))
      await assert.rejects(
        driver.connect(),
        (error: Error) => isError("fatal")(error) && !/gue55ed/.test(error.message),
      )
      await assert.rejects(driver.producer({ transactionalId: "x" }), isError("fatal"))
    })
  }

  const tls = (more: KafkaProperties = {}): KafkaProperties => ({
    "bootstrap.servers": broker.address("SSL"),
    "security.protocol": "SSL",
    ...more,
  })

  it("TLS, with the certificate that is trusted", () => works(tls({ "ssl.ca": broker.certificate })))
  it("TLS, with a file of it", () => works(tls({ "ssl.truststore.location": `${broker.folder}/broker.pem` })))

  it("TLS with a certificate that nobody trusts is fatal", async () => {
    await assert.rejects(open(tls()).connect(), isError("fatal"))
  })

  it("TLS where there is none, and none where there is TLS: fatal or not answered, never hanging", async () => {
    const wrong = { "bootstrap.servers": broker.address("SSL"), "socket.connection.setup.timeout.ms": "2000" }
    await assert.rejects(open(wrong).connect(), isError("fatal"))
  })
})
