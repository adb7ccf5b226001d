import assert from "node:assert/strict"
import { Backoff } from "../../bridge-kafka/backoff.ts"
import { deadLetterHeaders, readDeadLetter } from "../../bridge-kafka/dead-letter.ts"
import type { KafkaHeader } from "../../bridge-kafka/driver.ts"
import { type ErrorKind, KafkaError, PoisonError, type Stage } from "../../bridge-kafka/errors.ts"
import { classOf, decide, failureOf, messageOf } from "../../bridge-kafka/failure.ts"
import { HeddleError } from "../../core/errors.ts"
import { Random, seeded } from "../support/random.ts"

const system = (code: string): Error => Object.assign(new Error(code), { code })

describe("What to do about an error", () => {
  const circle = new Error("circle", { cause: null })
  circle.cause = circle
  const cases: [string, unknown, Stage, ErrorKind][] = [
    ["a verdict of the driver", new KafkaError("fenced", "x"), "KAFKA_PRODUCE", "fenced"],
    ["a poison error with a stage of its own", new PoisonError("VALUE_CONVERTER", "x"), "KAFKA_PRODUCE", "poison"],
    ["a transform's own error", new TypeError("x"), "TRANSFORMATION", "poison"],
    ["something thrown that is no error", "x", "TRANSFORMATION", "poison"],
    ["nothing thrown", undefined, "VALUE_CONVERTER", "poison"],
    ["a mistake of ours", new TypeError("x"), "KAFKA_PRODUCE", "fatal"],
    ["a full disk", system("ENOSPC"), "SPOOL", "retriable"],
    ["a disk that broke", system("EIO"), "SPOOL", "fatal"],
    ["a damaged log", new HeddleError("ERR_SPOOL", "x"), "SPOOL", "fatal"],
    ["a broker that is away", system("ECONNREFUSED"), "KAFKA_PRODUCE", "retriable"],
    [
      "a registry that is away, found by a converter",
      new Error("x", { cause: system("ECONNRESET") }),
      "VALUE_CONVERTER",
      "retriable",
    ],
    [
      "both addresses away",
      new AggregateError([system("ECONNREFUSED"), system("ETIMEDOUT")]),
      "KAFKA_CONSUME",
      "retriable",
    ],
    [
      "a cause that was judged",
      new Error("x", { cause: new KafkaError("retriable", "y") }),
      "TRANSFORMATION",
      "retriable",
    ],
    ["a package that is missing", new HeddleError("ERR_MISSING_PACKAGE", "x"), "VALUE_CONVERTER", "fatal"],
    ["a message too large for the fabric", new HeddleError("EMSGSIZE", "x"), "TASK_PUT", "poison"],
    ["no worker there", new HeddleError("ERR_NO_RESPONDERS", "x"), "TASK_PUT", "retriable"],
    ["an aborted call", new DOMException("x", "AbortError"), "KAFKA_PRODUCE", "retriable"],
    ["a circle of causes", circle, "KAFKA_PRODUCE", "fatal"],
  ]
  for (const [what, error, stage, kind] of cases) {
    it(`${what}: ${kind}`, () => assert.equal(failureOf(error, stage).kind, kind))
  }

  it("keeps the stage and the class that the thrower knows", () => {
    const { stage, className } = failureOf(
      new PoisonError("TRANSFORMATION", "x", { className: "Cast$Value" }),
      "TASK_POLL",
    )
    assert.deepEqual([stage, className], ["TRANSFORMATION", "Cast$Value"])
  })

  it("is decided by tolerance", () => {
    const policy = (errorsTolerance: "none" | "all", topic: string | null = null, subject: string | null = null) => ({
      errorsTolerance,
      errorsDeadletterqueueTopicName: topic,
      errorsDeadletterqueueSubject: subject,
    })
    for (const tolerance of [policy("none"), policy("all", "dlq")]) {
      assert.equal(decide({ kind: "retriable" }, tolerance), "retry")
      assert.equal(decide({ kind: "fenced" }, tolerance), "give-up")
      assert.equal(decide({ kind: "fatal" }, tolerance), "stop")
    }
    assert.equal(decide({ kind: "poison" }, policy("none")), "stop")
    assert.equal(decide({ kind: "poison" }, policy("all")), "drop")
    assert.equal(decide({ kind: "poison" }, policy("all", "dlq")), "dead-letter")
    assert.equal(decide({ kind: "poison" }, policy("all", null, "dead")), "dead-letter")
  })

  it("has a name and words for anything thrown", () => {
    assert.equal(classOf(new KafkaError("poison", "x", { protocolName: "RECORD_TOO_LARGE" })), "RECORD_TOO_LARGE")
    assert.equal(classOf(new KafkaError("poison", "x")), "ERR_KAFKA")
    assert.deepEqual([classOf(new RangeError("x")), classOf("x"), classOf(null)], ["RangeError", "string", "object"])
    assert.deepEqual([messageOf(new Error("x")), messageOf(5)], ["x", "5"])
    assert.match(messageOf(Object.create(null)), /cannot be printed/)
  })
})

describe("Back-off", () => {
  it("is a random part of a time that doubles up to the longest", () => {
    let part = 1 - 2 ** -32
    const backoff = new Backoff({ min: 100, max: 1_000, random: () => part })
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5].map(() => Math.ceil(backoff.next())),
      [100, 200, 400, 800, 1_000, 1_000],
    )
    assert.equal(backoff.attempts, 6)
    part = 0
    assert.equal(backoff.next(), 0)
    backoff.reset()
    part = 0.5
    assert.deepEqual([backoff.next(), backoff.attempts], [50, 1])
  })

  it("stays within its bounds for any number of attempts", () =>
    seeded(random => {
      const backoff = new Backoff({ min: random.int(1, 100), max: 5_000, random: () => random.next() })
      for (let at = 0; at < 5_000; at++) {
        const wait = backoff.next()
        assert.ok(wait >= 0 && wait < 5_000, `${wait}`)
      }
    }))

  it("ends at once when it is aborted, and leaves no listener", async () => {
    const controller = new AbortController()
    const backoff = new Backoff({ min: 3_600_000, max: 3_600_000, random: () => 0.9 })
    const waiting = backoff.wait(controller.signal)
    controller.abort()
    assert.equal(await waiting, false)
    assert.equal(await backoff.wait(controller.signal), false)
    const short = new Backoff({ min: 1, max: 1, random: new Random(1).next.bind(new Random(1)) })
    // The timer is unref'd: something else must keep the process alive.
    const alive = setInterval(() => {}, 1_000)
    assert.equal(await short.wait(new AbortController().signal), true)
    clearInterval(alive)
  })

  it("refuses bounds that make no sense", () => {
    for (const bad of [{ min: 0 }, { min: 5, max: 4 }, { min: Number.NaN }]) {
      assert.throws(() => new Backoff(bad), { code: "EINVAL" })
    }
  })
})

describe("Dead letters", () => {
  const record = {
    subject: "orders.eu.1",
    topic: "orders",
    partition: 3,
    key: Buffer.from("k"),
    value: Buffer.from([0, 255]),
    headers: [
      ["a", Buffer.from([0, 255])],
      ["a", Buffer.from("2")],
    ] as KafkaHeader[],
    timestamp: 1,
  }
  const error = new PoisonError("TRANSFORMATION", "no field é", { className: "Cast$Value" })
  const context = { connector: "out", task: 7, offset: 12 }

  it("carry Connect's headers, and are read back", () => {
    const headers = deadLetterHeaders(record, failureOf(error, "TASK_POLL"), context)
    assert.deepEqual(
      headers.map(([name]) => name),
      [
        "a",
        "a",
        "hd.subject",
        "__connect.errors.topic",
        "__connect.errors.partition",
        "__connect.errors.offset",
        "__connect.errors.connector.name",
        "__connect.errors.task.id",
        "__connect.errors.stage",
        "__connect.errors.class.name",
        "__connect.errors.exception.class.name",
        "__connect.errors.exception.message",
        "__connect.errors.exception.stacktrace",
      ],
    )
    const letter = readDeadLetter(headers)
    assert.ok(letter !== null)
    const { headers: own, stack, ...told } = letter
    assert.deepEqual(told, {
      subject: "orders.eu.1",
      topic: "orders",
      partition: 3,
      offset: 12,
      connector: "out",
      task: 7,
      stage: "TRANSFORMATION",
      className: "Cast$Value",
      cut: false,
      exception: "ERR_KAFKA",
      message: "no field é",
    })
    assert.match(String(stack), /failure\.test/)
    assert.deepEqual(own, [...record.headers, ["hd.subject", Buffer.from("orders.eu.1")]])
    assert.equal(record.headers.length, 2)
  })

  it("that fail again tell the new failure only", () => {
    const first = deadLetterHeaders(record, failureOf(error, "TASK_POLL"), context)
    const again = deadLetterHeaders({ ...record, headers: first }, failureOf("other", "MAPPING"), {
      connector: "c",
      task: 0,
    })
    const letter = readDeadLetter(again)
    assert.deepEqual(
      [letter?.stage, letter?.offset, letter?.className, letter?.message, letter?.stack],
      ["MAPPING", null, null, "other", null],
    )
    assert.equal(again.filter(([name]) => name === "hd.subject").length, 1)
  })

  it("are bounded in what they add", () => {
    const huge = new Error("x".repeat(1_000_000))
    const headers = deadLetterHeaders(record, failureOf(huge, "MAPPING"), context)
    const size = headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
    assert.ok(size < 8_192, `${size} bytes`)
  })

  it("say nothing more where headers are off, and what is none is none", () => {
    const headers = deadLetterHeaders(record, failureOf(error, "MAPPING"), { ...context, headers: false })
    assert.deepEqual(headers.at(-1)?.[0], "hd.subject")
    assert.equal(readDeadLetter(headers), null)
  })

  it("survive what others write", () => {
    const letter = readDeadLetter([
      ["__connect.errors.partition", Buffer.from("-1e99")],
      ["__connect.errors.offset", Buffer.from([0xff, 0xfe])],
      ["__connect.errors.topic", Buffer.alloc(0)],
    ])
    assert.deepEqual([letter?.partition, letter?.offset, letter?.topic, letter?.subject], [null, null, "", null])
  })
})
