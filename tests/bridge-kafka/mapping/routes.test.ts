import assert from "node:assert/strict"
import { type RouteOptions, Routes, type RoutesOptions } from "../../../bridge-kafka/mapping/routes.ts"

const topics = (routes: Routes, subject: string): (string | null)[] =>
  routes.of(subject).matches.map(match => match.topic)

describe("bridge: routes", () => {
  it("MAP-1 the first that matches wins, and `continue` goes on", () => {
    const routes = new Routes([
      { subjects: "orders.eu.>", topic: "eu", continue: true },
      { subjects: ["orders.*.created", "orders.*.deleted"], topic: "events" },
      { subjects: ">", topic: "rest", continue: true },
      { subjects: "last", topic: "last" },
    ])
    assert.deepEqual(topics(routes, "orders.eu.created"), ["eu", "events"])
    assert.deepEqual(topics(routes, "orders.eu.x"), ["eu", "rest"])
    assert.deepEqual(topics(routes, "orders.us.deleted"), ["events"])
    assert.deepEqual(topics(routes, "last"), ["rest", "last"])
    assert.deepEqual(topics(new Routes([{ subjects: "a", topic: "t" }]), "b"), [])
  })

  it("MAP-2 defaults: the escaped first token, and the whole subject as key", () => {
    const routes = new Routes([{ subjects: ">" }], { maxTopics: 10 })
    const { matches, bytes } = routes.of("my_orders.eu")
    assert.equal(matches[0].topic, "my_5forders")
    assert.equal(matches[0].key?.toString(), "my_orders.eu")
    assert.equal(matches[0].key, bytes)
    assert.equal(matches[0].route.partition, -1)
  })

  it("remember subjects, and no more than they should", () => {
    const routes = new Routes([{ subjects: ">", topic: "t" }], { cache: 10 })
    const first = routes.of("s.0")
    assert.equal(routes.of("s.0"), first)
    for (let i = 1; i < 15; i++) routes.of(`s.${i}`)
    assert.equal(routes.of("s.0"), first)
    for (let i = 100; i < 200; i++) routes.of(`s.${i}`)
    assert.notEqual(routes.of("s.0"), first)
  })

  it("leave to the message what the subject does not decide", () => {
    const routes = new Routes([{ subjects: "a.*", topic: "${header.t:-x}", key: "header:k" }], { maxTopics: 5 })
    const [match] = routes.of("a.b").matches
    assert.deepEqual([match.topic, match.key, match.captures], [null, undefined, ["b"]])
  })

  it("refuse what cannot be, and say where", () => {
    const wrong = (route: RouteOptions, words: RegExp, options?: RoutesOptions): void =>
      assert.throws(() => new Routes([{ subjects: "ok", topic: "ok" }, route], options), {
        code: "ERR_CONFIG",
        message: words,
      })
    wrong({ subjects: "a..b" }, /routes\[1\]/)
    wrong({ subjects: [] }, /routes\[1\]\.subjects/)
    wrong({ subjects: "a", topic: "a b" }, /letters/)
    wrong({ subjects: "a", topic: "${key}" }, /not known at this point/)
    wrong({ subjects: "a.*", topic: "$2" }, /1 wildcards/)
    wrong({ subjects: "a", key: "keys" }, /unknown/)
    wrong({ subjects: "a", partition: -2 }, /partition/)
    wrong({ subjects: "a", partition: "x" }, /partition/)
    wrong({ subjects: "a", headers: { "hd.id": "x" } }, /hd\.id/)
    wrong({ subjects: "*.a" }, /topic\.max/)
    wrong({ subjects: ">", topic: "${header.x}" }, /topic\.max/)
    assert.throws(() => new Routes([]), { code: "ERR_CONFIG" })
    new Routes([{ subjects: "*.a" }], { maxTopics: 3 })
  })

  it("put topic.prefix before every topic", () => {
    const routes = new Routes([{ subjects: "orders.>" }], { topicPrefix: "fab." })
    assert.deepEqual(topics(routes, "orders.eu"), ["fab.orders"])
  })
})
