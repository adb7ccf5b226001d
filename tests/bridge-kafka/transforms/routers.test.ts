import assert from "node:assert/strict"
import { DateFormat } from "../../../bridge-kafka/transforms/date-format.ts"
import { JavaRegex } from "../../../bridge-kafka/transforms/java-regex.ts"
import { run } from "./run.ts"

/** 2023-11-14T22:13:20.123Z, the record's time. */
const TIME = 1_700_000_000_123

describe("transforms of topics and subjects", () => {
  /** Said by connect-transforms 4.3.1, but for the errors, which are found in the configuration here. */
  for (const [regex, replacement, topic] of [
    ["orders.*", "x", "x"],
    ["(.*)\\.eu", "$1-eu", "orders-eu"],
    ["orders", "x", "orders.eu"],
    ["(.*)", "pre.$0.post", "pre.orders.eu.post"],
    ["(?<a>o).*", "${a}", "o"],
    [".*eu$", "z", "z"],
    ["(o)(r).*", "$10", "o0"],
    ["(x)?.*", "a$1b", "ab"],
    ["(?i)ORDERS.*", "x", "x"],
    ["\\Qorders.\\Ee.", "x", "x"],
    ["orders\\.e[\\w\\-]", "x", "x"],
  ]) {
    it(`RegexRouter ${regex} to ${replacement}`, async () => {
      assert.equal((await run("RegexRouter", { regex, replacement })).topic, topic)
    })
  }

  it("RegexRouter refuses topics that cannot be, as an error of the record", async () => {
    for (const replacement of ["", "a b", "\\$1", ".."])
      await assert.rejects(run("RegexRouter", { regex: "(.*)", replacement }), { kind: "poison" })
  })

  it("RegexRouter refuses groups that are missing, as an error of configuration", async () => {
    for (const replacement of ["$2", "$x", "${no}", "a$", "a\\"])
      await assert.rejects(run("RegexRouter", { regex: "(.*)", replacement }), { code: "ERR_CONFIG" }, replacement)
  })

  it("regular expressions that only Java has are refused, with the part that is not known", () => {
    for (const [source, part] of [
      ["a*+", "*+"],
      ["a{2}+", "}+"],
      ["(?>a)", "(?>"],
      ["a(?i)b", "(?i"],
      ["[a-z&&[^b]]", "&&"],
      ["[a[b]]", "[ within"],
      ["\\p{Alpha}", "\\p{Alpha}"],
      ["a\\Z", "\\Z"],
      ["(", "understands"],
      ["a**", "understands"],
      ["x".repeat(1_001), "1000"],
    ])
      assert.throws(
        () => new JavaRegex(source),
        (error: Error & { code?: string }) => error.code === "ERR_CONFIG" && error.message.includes(part),
        source,
      )
  })

  it("regular expressions match the whole text, and none that is too long", () => {
    assert.ok(new JavaRegex("a|b").match("b"))
    assert.equal(new JavaRegex("a|b").match("ab"), null)
    assert.equal(new JavaRegex("(?m)^a$").match("a\nb"), null)
    assert.ok(new JavaRegex("(?s)a.b").match("a\nb"))
    assert.equal(new JavaRegex("a.b").match("a\nb"), null)
    assert.ok(new JavaRegex("\\-\\_\\ \\!").match("-_ !"))
    assert.ok(new JavaRegex("\\Aé+\\z").match("éé"))
    assert.ok(new JavaRegex("\\h[\\h]").match(" \t"))
    assert.equal(new JavaRegex("(a)(?:b)(?<c>d)").groups, 2)
    assert.throws(() => new JavaRegex("a*").match("a".repeat(1_025)), { kind: "poison" })
  })

  it("SubjectRouter changes the subject, and hd.subject with it", async () => {
    const headers = [["hd.subject", Buffer.from("orders.eu.created")] as const]
    const given = { regex: "orders\\.(.*)", replacement: "sales.$1" }
    const made = await run("SubjectRouter", given, { headers })
    assert.equal(made.subject, "sales.eu.created")
    assert.equal(String(made.headers[0][1]), "sales.eu.created")
    assert.equal(made.topic, "orders.eu")
    await assert.rejects(run("SubjectRouter", { regex: ".*", replacement: "a..b" }), { kind: "poison" })
  })

  /** Said by connect-transforms 4.3.1. */
  for (const [format, text] of [
    ["yyyyMMddHHmmssSSS", "20231114221320123"],
    ["yy", "23"],
    ["y", "2023"],
    ["M", "11"],
    ["d", "14"],
    ["H", "22"],
    ["'a'yyyy''mm", "a2023'13"],
    ["yyyyy", "02023"],
    ["S", "123"],
    ["SSSS", "0123"],
    ["''", "'"],
    ["'o''clock'", "o'clock"],
    ["-_. ", "-_. "],
  ]) {
    it(`dates are written as Java writes them: ${format}`, () =>
      assert.equal(new DateFormat(format).format(TIME), text))
  }

  it("dates that are not supported are refused", () => {
    for (const format of ["MMM", "EEE", "DDD", "YYYY", "XXX", "hh", "z", "'", "'a", "y".repeat(21)])
      assert.throws(() => new DateFormat(format), { code: "ERR_CONFIG" }, format)
  })

  it("TimestampRouter makes a topic of topic and time", async () => {
    assert.equal((await run("TimestampRouter", {})).topic, "orders.eu-20231114")
    assert.equal((await run("TimestampRouter", {}, { timestamp: 0 })).topic, "orders.eu-19700101")
    const format = "${topic}_${timestamp}_${topic}"
    assert.equal(
      (await run("TimestampRouter", { "topic.format": format, "timestamp.format": "yyyy" })).topic,
      "orders.eu_2023_orders.eu",
    )
    assert.equal((await run("TimestampRouter", { "topic.format": "const" })).topic, "const")
    await assert.rejects(run("TimestampRouter", { "topic.format": "${foo}-${timestamp}" }), { kind: "poison" })
  })
})
