import assert from "node:assert/strict"
import { readProperties } from "../../../bridge-kafka/platformatic/properties.ts"
import type { HeddleError } from "../../../core/errors.ts"

const SERVERS = { "bootstrap.servers": "a:9092, [::1]:9093" }

describe("Properties of the Kafka driver", () => {
  it("have Kafka's names and defaults", () => {
    const settings = readProperties(SERVERS)
    assert.deepEqual(settings.bootstrap, ["a:9092", "[::1]:9093"])
    assert.equal(settings.clientId, "heddle")
    assert.equal(settings.requestTimeout, 30_000)
    assert.equal(settings.tls, undefined)
    assert.equal(settings.sasl, undefined)
  })

  it("give SASL and TLS what they need", () => {
    const settings = readProperties({
      ...SERVERS,
      "security.protocol": "SASL_SSL",
      "sasl.mechanism": "SCRAM-SHA-512",
      "sasl.jaas.config": 'x required username="al\\"ice" password="s p";',
      "ssl.ca": "PEM",
      "ssl.endpoint.identification.algorithm": "",
    })
    assert.deepEqual(settings.sasl, { mechanism: "SCRAM-SHA-512", username: 'al"ice', password: "s p" })
    assert.equal(settings.tls?.ca, "PEM")
    assert.equal(settings.tls?.checkServerIdentity?.("x", {} as never), undefined)
  })

  const WRONG: Record<string, Record<string, string>> = {
    "not known": { ...SERVERS, "bootstrap.server": "x" },
    "bootstrap.servers has to be": { "bootstrap.servers": "nowhere" },
    "a number above 0": { ...SERVERS, "request.timeout.ms": "soon" },
    "security.protocol has to be": { ...SERVERS, "security.protocol": "TLS" },
    "sasl.mechanism has to be": { ...SERVERS, "security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI" },
    "needs sasl.username": { ...SERVERS, "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN" },
    "needs sasl.oauthbearer.token": { ...SERVERS, "security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER" },
    PEM: { ...SERVERS, "security.protocol": "SSL", "ssl.truststore.type": "JKS" },
    ENOENT: { ...SERVERS, "security.protocol": "SSL", "ssl.truststore.location": "/no/such/file" },
  }
  for (const [words, properties] of Object.entries(WRONG)) {
    it(`that cannot be are refused: ${words}`, () => {
      assert.throws(
        () => readProperties(properties),
        (error: HeddleError) => error.code === "ERR_CONFIG" && error.message.includes(words),
      )
    })
  }
})
