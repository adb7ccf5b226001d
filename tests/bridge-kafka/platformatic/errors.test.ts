import assert from "node:assert/strict"
import { type ErrorKind, KafkaError } from "../../../bridge-kafka/errors.ts"
import { classify, codeOf, protocolError } from "../../../bridge-kafka/platformatic/errors.ts"
import { loadLibrary } from "../../../bridge-kafka/platformatic/load.ts"
import { HeddleError } from "../../../core/errors.ts"

const TABLE: Record<ErrorKind, readonly string[]> = {
  retriable: [
    "UNKNOWN_TOPIC_OR_PARTITION LEADER_NOT_AVAILABLE NOT_LEADER_OR_FOLLOWER REQUEST_TIMED_OUT NETWORK_EXCEPTION",
    "COORDINATOR_LOAD_IN_PROGRESS COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR NOT_ENOUGH_REPLICAS KAFKA_STORAGE_ERROR",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND REBALANCE_IN_PROGRESS CONCURRENT_TRANSACTIONS THROTTLING_QUOTA_EXCEEDED",
    "STALE_MEMBER_EPOCH UNKNOWN_PRODUCER_ID OUT_OF_ORDER_SEQUENCE_NUMBER INVALID_TXN_STATE CORRUPT_MESSAGE",
    "INVALID_REPLICATION_FACTOR",
  ],
  poison: [
    "MESSAGE_TOO_LARGE RECORD_LIST_TOO_LARGE INVALID_TIMESTAMP INVALID_RECORD INVALID_TOPIC_EXCEPTION",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
  ],
  fenced: [
    "INVALID_PRODUCER_EPOCH PRODUCER_FENCED ILLEGAL_GENERATION UNKNOWN_MEMBER_ID FENCED_INSTANCE_ID FENCED_MEMBER_EPOCH",
  ],
  fatal: [
    "TOPIC_AUTHORIZATION_FAILED GROUP_AUTHORIZATION_FAILED CLUSTER_AUTHORIZATION_FAILED SASL_AUTHENTICATION_FAILED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED UNSUPPORTED_VERSION POLICY_VIOLATION INVALID_CONFIG",
  ],
}

describe("Errors of Kafka", () => {
  for (const [kind, lines] of Object.entries(TABLE)) {
    for (const name of lines.flatMap(line => line.split(" "))) {
      it(`${name} is ${kind}`, async () => {
        const { ProtocolError, MultipleErrors, protocolErrors } = await loadLibrary()
        const { code } = protocolErrors[name as keyof typeof protocolErrors]
        const nested = new MultipleErrors("outer", [new MultipleErrors("inner", [new ProtocolError(code)])])
        assert.equal(codeOf(nested), code)
        const error = classify(nested, "Doing it")
        assert.ok(error instanceof KafkaError)
        assert.equal(error.kind, kind)
        assert.equal(error.protocolName, name)
        assert.match(error.message, new RegExp(`^Doing it: Kafka says ${name}`))
      })
    }
  }

  it("what was not attempted because of another fault says nothing of that one", async () => {
    const { ProtocolError, MultipleErrors } = await loadLibrary()
    const of = (...codes: number[]): string => {
      const error = new MultipleErrors("x", codes.map(code => new ProtocolError(code))) // biome-ignore format: short
      const { kind, protocolName } = classify(error, "x") as KafkaError
      return `${codeOf(error)} ${kind} ${protocolName}`
    }
    assert.equal(of(55, 29), "29 fatal TOPIC_AUTHORIZATION_FAILED")
    assert.equal(of(55, 55, 3), "3 retriable UNKNOWN_TOPIC_OR_PARTITION")
    assert.equal(of(55), "55 retriable OPERATION_NOT_ATTEMPTED")
  })

  it("codes of a future broker are fatal: nobody knows what to do about them", () => {
    assert.equal(protocolError(9_999, "x").kind, "fatal")
  })

  it("of the network are retriable, of trust and of the user are fatal", async () => {
    const { NetworkError, TimeoutError, AuthenticationError, UserError } = await loadLibrary()
    const kindOf = (error: unknown): ErrorKind => (classify(error, "x") as KafkaError).kind
    assert.equal(
      kindOf(new NetworkError("x", { cause: Object.assign(new Error(), { code: "ECONNREFUSED" }) })),
      "retriable",
    )
    assert.equal(kindOf(new TimeoutError("x")), "retriable")
    assert.equal(kindOf(new NetworkError("x", { cause: new AuthenticationError("x") })), "fatal")
    assert.equal(kindOf(new UserError("x")), "fatal")
    const untrusted = Object.assign(new Error("self-signed certificate"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" })
    assert.equal(kindOf(new NetworkError("x", { cause: untrusted })), "fatal")
    assert.equal(kindOf("a string"), "retriable")
    const own = new HeddleError("ERR_CONFIG", "x")
    assert.equal(classify(own, "y"), own)
  })
})
