import assert from "node:assert/strict"
import { KafkaError } from "../../../bridge-kafka/errors.ts"
import { Template, type TemplateUse } from "../../../bridge-kafka/mapping/template.ts"
import { capturesOf, type TemplateScope } from "../../../bridge-kafka/mapping/variables.ts"
import type { HeddleError } from "../../../core/errors.ts"

function scope(given: Partial<TemplateScope> & { headers?: Record<string, string> } = {}): TemplateScope {
  const { headers = {} } = given
  return {
    subject: "orders.eu.created",
    topic: "orders",
    partition: 3,
    key: Buffer.from("k1"),
    captures: [],
    header: name => headers[name],
    ...given,
  }
}

const render = (text: string, from = scope(), use: TemplateUse = "text", captures = 2): string =>
  new Template(text, { use, captures }).render(from)

describe("bridge: templates", () => {
  it("stand for parts of the record", () => {
    for (const [text, made] of [
      ["plain", "plain"],
      ["${subject}", "orders.eu.created"],
      ["${token[0]}-${token[2]}", "orders-created"],
      ["${token[0..1]}", "orders.eu"],
      ["${token[1..]}", "eu.created"],
      ["${token[2..2]}", "created"],
      ["${key}/${topic}/${partition}", "k1/orders/3"],
      ["$$5 ${key}$$", "$5 k1$"],
      ["$${key}", "${key}"],
      ["x}y", "x}y"],
    ])
      assert.equal(render(text), made, text)
  })

  it("know the wildcards of the route's pattern", () => {
    const captures = capturesOf("orders.*.>", "orders.eu.created.now")
    assert.deepEqual(captures, ["eu", "created.now"])
    assert.equal(render("$1:$2:${1}", scope({ captures })), "eu:created.now:eu")
    assert.deepEqual(capturesOf("a.b", "a.b"), [])
    assert.deepEqual(capturesOf(">", "a.b"), ["a.b"])
    assert.deepEqual(capturesOf("*.*", "a.b"), ["a", "b"])
  })

  it("take headers, and defaults where something is absent or empty", () => {
    const from = scope({ headers: { "hd.subject": "prices.eur", empty: "" }, key: null })
    assert.equal(render("${header.hd.subject:-prices.${key}}", from), "prices.eur")
    assert.equal(render("${header.hd.subject:-prices.${key}}"), "prices.k1")
    assert.equal(render("${header.empty:-none}", from), "none")
    assert.equal(render("${key:-${header.x:-${token[9]:-last}}}", from), "last")
    assert.equal(render("${topic.unescaped}", scope({ topic: "my_5forders" })), "my_orders")
    assert.equal(render("${topic.unescaped:-${topic}}", scope({ topic: "my_orders" })), "my_orders")
  })

  it("say of a record what it lacks", () => {
    for (const [text, from] of [
      ["${token[3]}", scope()],
      ["${token[1..3]}", scope()],
      ["${header.x}", scope()],
      ["${key}", scope({ key: null })],
      ["${key}", scope({ key: Buffer.from([0xff]) })],
      ["${partition}", scope({ partition: -1 })],
    ] as const) {
      assert.throws(
        () => render(text, from),
        (error: unknown) => error instanceof KafkaError && error.kind === "poison" && error.message.includes(text),
      )
    }
  })

  it("escape values in topics, and check the result", () => {
    const topic = (text: string, from = scope()): string => render(text, from, "topic")
    assert.equal(topic("x-${token[0]}_y", scope({ subject: "my_orders" })), "x-my_5forders_y")
    assert.equal(topic("${header.t}", scope({ headers: { t: ".." } })), "_2e_2e")
    assert.equal(topic("${header.t}", scope({ headers: { t: "a b" } })), "a_20b")
    assert.throws(() => topic("${header.t}", scope({ headers: { t: "x".repeat(250) } })), /250 characters/)
  })

  it("make valid subjects only", () => {
    const subject = (text: string, from = scope()): string => render(text, from, "subject")
    assert.equal(subject("prices.${key}", scope({ key: Buffer.from("eur.usd") })), "prices.eur.usd")
    for (const key of ["a b", "a..b", ".", "*", ">", "x".repeat(1_100)])
      assert.throws(() => subject("prices.${key}", scope({ key: Buffer.from(key) })), /no valid subject/)
  })

  it("cost nothing when they are constant", () => {
    assert.equal(new Template("orders", { use: "topic" }).constant, "orders")
    assert.equal(new Template("a$$b", { use: "text" }).constant, "a$b")
    assert.equal(new Template("${key}", { use: "text" }).constant, null)
    assert.equal(new Template("${token[0]}-$1", { use: "topic", captures: 1 }).bySubject, true)
    assert.equal(new Template("${token[0]:-${header.x}}", { use: "topic" }).bySubject, false)
  })

  it("refuse what is written wrongly, in configuration", () => {
    for (const [text, words] of [
      ["", /empty/],
      ["${nothing}", /unknown/],
      ["${token[x]}", /unknown/],
      ["${token[2..1]}", /unknown/],
      ["${header.}", /unknown/],
      ["$x", /begins no variable/],
      ["a$", /begins no variable/],
      ["${key", /not closed/],
      ["${key:-x", /not closed/],
      ["$3", /2 wildcards/],
      ["x".repeat(1_025), /1024/],
      [`${"${key:-".repeat(10)}x${"}".repeat(10)}`, /deep/],
    ] as const)
      assert.throws(() => new Template(text, { use: "text", captures: 2 }), { code: "ERR_CONFIG", message: words })
    assert.throws(() => new Template("a b", { use: "topic" }), { code: "ERR_CONFIG" })
    assert.throws(() => new Template("..", { use: "topic" }), { code: "ERR_CONFIG" })
    assert.throws(() => new Template("a..b", { use: "subject" }), { code: "ERR_CONFIG" })
    assert.throws(
      () => new Template("${key}", { use: "topic", variables: ["subject"] }),
      (error: HeddleError) => error.code === "ERR_CONFIG" && /not known at this point/.test(error.message),
    )
  })

  it("know whether configuration alone decides what they make", () => {
    const bounded = (text: string, pattern: string): boolean =>
      new Template(text, { use: "topic", captures: 1 }).isBounded({ pattern })
    assert.equal(bounded("orders", ">"), true)
    assert.equal(bounded("${token[0]}", "orders.>"), true)
    assert.equal(bounded("${token[0..1]}", "orders.eu.*"), true)
    assert.equal(bounded("${subject}", "orders.eu"), true)
    assert.equal(bounded("${token[0]}", "*.eu"), false)
    assert.equal(bounded("${token[1]}", "orders.>"), false)
    assert.equal(bounded("x-$1", "orders.*"), false)
    assert.equal(bounded("${header.x}", "orders"), false)
  })
})
