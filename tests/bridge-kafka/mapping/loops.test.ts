import assert from "node:assert/strict"
import { fabricIdOf } from "../../../bridge-kafka/mapping/fabric-id.ts"
import { Hops } from "../../../bridge-kafka/mapping/hops.ts"
import {
  checkLoops,
  findLoop,
  type Reshape,
  type SinkFlow,
  type SourceFlow,
} from "../../../bridge-kafka/mapping/loops.ts"
import { ANY, type Shape, shapeOfPattern, shapesOverlap, TOKEN, UNKNOWN } from "../../../bridge-kafka/mapping/shape.ts"
import { Template } from "../../../bridge-kafka/mapping/template.ts"
import { overlaps } from "../../../core/subject.ts"
import { seeded } from "../../support/random.ts"

const same: Reshape = shapes => shapes

function sink(connector: string, routes: Record<string, string>, topics = same, subjects = same): SinkFlow {
  const made = Object.entries(routes).map(([pattern, topic]) => ({
    pattern,
    topic: new Template(topic, { use: "topic", captures: 3 }),
  }))
  return { connector, routes: made, topics, subjects }
}

function source(connector: string, topics: string[], subject: string, subjects = same): SourceFlow {
  return { connector, topics, subject: new Template(subject, { use: "subject" }), subjects }
}

describe("bridge: loops", () => {
  it("MAP-4 a message is dropped that has been here, or has passed too many", () => {
    const here = { fabric: "f", bridge: "orders", connector: "out" }
    const hops = new Hops(here)
    assert.equal(hops.add(undefined)?.text, "f/orders/out")
    assert.equal(hops.add("")?.text, "f/orders/out")
    assert.equal(String(hops.add("a,b")?.bytes), "a,b,f/orders/out")
    assert.equal(hops.add("a,f/orders/out,b"), null)
    assert.equal(hops.add("a,f/orders/out,b"), null)
    assert.equal(hops.add("f/orders/out2")?.text, "f/orders/out2,f/orders/out")
    assert.equal(hops.add("1,2,3,4,5,6,7")?.text, "1,2,3,4,5,6,7,f/orders/out")
    assert.equal(hops.add("1,2,3,4,5,6,7,8"), null)
    assert.equal(hops.add("x".repeat(100_000)), null)
    assert.equal(hops.add("x".repeat(100_000)), null)
    assert.equal(new Hops(here, 1).add("b"), null)
    for (const name of ["a,b", "a b", "é", "x".repeat(195)])
      for (const part of ["fabric", "bridge", "connector"])
        assert.throws(() => new Hops({ ...here, [part]: name }), { code: "ERR_CONFIG" })
    for (const fabric of ["", "a/b"]) assert.throws(() => new Hops({ ...here, fabric }), { code: "ERR_CONFIG" })
  })

  it("MAP-4 a message that came back into its fabric through another is told from one that was in Kafka alone", () => {
    const hops = new Hops({ fabric: "a", bridge: "b", connector: "in" })
    const found = (list: string): string => hops.whereabouts(list)
    for (const list of ["", "b/x/out", "b/x/out,c/y/in", "aa/x/out", "x"]) assert.equal(found(list), "elsewhere", list)
    for (const list of ["a/x/out", "b/x/out,a/b/in2,a/b/out", "a/x/out,a/y/in"]) assert.equal(found(list), "here", list)
    for (const list of ["a/x/out,b/y/in,b/y/out", "c/z/out,a/b/in2,b/y/in", "a/x/out,b/y/in,a/x/out2", "a/x/out,other"])
      assert.equal(found(list), "returned", list)
    assert.equal(hops.whereabouts(undefined), "elsewhere")
    assert.equal(found("x,".repeat(50_000)), "elsewhere")
  })

  it("MAP-4 the fabric is known by its id, or by the name that was joined", () => {
    assert.equal(fabricIdOf({ id: "plant-a", name: "shop" }, "shop"), "plant-a")
    assert.equal(fabricIdOf({ id: "shop", name: "shop" }, "shop"), "shop")
    assert.equal(fabricIdOf({ id: "default", name: "default" }, "my shop/1"), "my%20shop%2F1")
    for (const name of ["x".repeat(65), "\ud800"])
      assert.throws(() => fabricIdOf({ id: "d", name: "d" }, name), { code: "ERR_CONFIG", message: /fabric\.id/ })
  })

  it("MAP-4 a sink and a source that feed each other are found", () => {
    const out = sink("out", { "orders.>": "orders" })
    const loops: SourceFlow[] = [
      source("in", ["orders"], "${header.hd.subject:-x}"),
      source("in", ["other", "orders"], "orders.${key}"),
      source("in", ["orders"], "${topic}.x"),
      source("in", ["orders"], "${key}"),
    ]
    for (const one of loops)
      assert.throws(() => checkLoops([out], [one]), {
        code: "ERR_CONFIG",
        message: /out writes orders\.> .*allow\.cycle/,
      })
    const fine: SourceFlow[] = [
      source("in", ["prices"], "${header.hd.subject:-prices.${key}}"),
      source("in", ["orders"], "mirror.${header.hd.subject:-x}"),
      source("in", ["orders"], "back.${key}"),
      source("in", ["orders"], "orders"),
    ]
    for (const one of fine) assert.equal(findLoop([out], [one]), null, one.subject.source)
  })

  it("MAP-4 also over several connectors, and through templates of topics", () => {
    const sinks = [sink("s1", { "a.>": "ta" }), sink("s2", { "b.*": "t-$1" })]
    const ab = source("x", ["ta"], "b.${key}")
    const ba = source("y", ["t-1"], "a.${key}")
    assert.equal(findLoop(sinks, [ab]), null)
    assert.equal(findLoop(sinks, [ba]), null)
    assert.equal(findLoop(sinks, [ab, ba])?.length, 2)
    assert.equal(findLoop(sinks, [ab, source("y", ["u-1"], "a.${key}")]), null)
    // A message that goes round keeps its subject, which only its own sink takes.
    assert.equal(
      findLoop([sink("s", { "a.x": "t", "b.x": "u" })], [source("y", ["t"], "${header.hd.subject}")])?.length,
      1,
    )
    assert.equal(
      findLoop([sink("s", { "a.x": "t" }), sink("r", { "b.x": "u" })], [source("y", ["u"], "c.${header.hd.subject}")]),
      null,
    )
  })

  it("MAP-4 transforms that could make anything count as making everything", () => {
    const anything: Reshape = () => [UNKNOWN]
    const away = source("in", ["prices"], "orders.${key}")
    assert.equal(findLoop([sink("out", { "orders.>": "orders" })], [away]), null)
    assert.notEqual(findLoop([sink("out", { "orders.>": "orders" }, anything)], [away]), null)
    const out = sink("out", { "orders.>": "orders" })
    assert.equal(findLoop([out], [source("in", ["orders"], "x")]), null)
    assert.notEqual(findLoop([out], [source("in", ["orders"], "x", anything)]), null)
    // Where hd.subject may be missing, the default counts.
    const back = source("in", ["orders"], "${header.hd.subject:-orders.x}")
    const renamed =
      (name: string): Reshape =>
      () => [[name]]
    assert.equal(findLoop([sink("out", { "orders.>": "orders" }, same, renamed("done.x"))], [back]), null)
    assert.notEqual(findLoop([sink("out", { "orders.>": "orders" }, same, anything)], [back]), null)
  })

  it("shapes of patterns overlap as patterns do", async () => {
    await seeded(random => {
      const pattern = (): string => {
        const tokens = Array.from({ length: random.int(1, 4) }, () => random.pick(["a", "b", "*"]))
        if (random.chance(0.3)) tokens.push(">")
        return tokens.join(".")
      }
      for (let i = 0; i < 3_000; i++) {
        const [a, b] = [pattern(), pattern()]
        assert.equal(shapesOverlap(shapeOfPattern(a), shapeOfPattern(b)), overlaps(a, b), `${a} and ${b}`)
      }
    })
    const cases: [Shape, Shape, boolean][] = [
      [["ab"], ["a", TOKEN], true],
      [["a"], ["a", TOKEN], false],
      [[ANY, "z"], ["a", ANY], true],
      [[TOKEN], ["a.b"], false],
      [[ANY, ".", ANY], [TOKEN], false],
      [[], [], true],
      [[], [ANY], false],
    ]
    for (const [a, b, overlap] of cases) assert.equal(shapesOverlap(a, b), overlap, JSON.stringify([a, b]))
  })
})
