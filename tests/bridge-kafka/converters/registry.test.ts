import assert from "node:assert/strict"
import { SchemaRegistry, type SchemaRegistryOptions } from "../../../bridge-kafka/converters/registry.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { FakeClock } from "../../support/clock.ts"
import { turns, until } from "../../support/wait.ts"
import { converterFor, FakeRegistry, hex, kafkaError } from "./fake-registry.ts"

describe("The client of the schema registry", () => {
  closesAfterEach()
  let server: FakeRegistry

  beforeEach(async () => {
    server = await FakeRegistry.start()
    server.add(1, "a-value", '"int"')
  })

  const client = (given: Partial<SchemaRegistryOptions> = {}): SchemaRegistry => {
    const options = { urls: [server.url], timeout: 10_000, maxBytes: 1024 * 1024, cacheSize: 100, latestTtl: 60_000 }
    const registry = new SchemaRegistry({ ...options, ...given })
    later(() => registry.close())
    return registry
  }

  const clock = (): FakeClock => {
    const fake = new FakeClock().install()
    later(() => fake.restore())
    return fake
  }

  it("asks once for an id that many want, and never again", async () => {
    const registry = client()
    const all = await Promise.all([1, 2, 3, 4].map(() => registry.byId(1)))
    assert.deepEqual(all[0], { id: 1, type: "AVRO", text: '"int"', references: [] })
    assert.equal(registry.byId(1), all[0], "at once")
    assert.deepEqual(server.requests, ["GET /schemas/ids/1"])
  })

  it("forgets the oldest of too many ids", async () => {
    const registry = client({ cacheSize: 2 })
    for (const id of [2, 3]) server.add(id, "a-value", '"int"')
    for (const id of [1, 2, 3, 3, 2, 1]) await registry.byId(id)
    assert.deepEqual(
      server.requests,
      [1, 2, 3, 1].map(id => `GET /schemas/ids/${id}`),
    )
  })

  it("gives an old latest version at once, and asks for the new one behind it", async () => {
    const time = clock()
    const registry = client()
    const first = await registry.latest("a-value")
    server.add(2, "a-value", '"long"')
    time.advance(59_999)
    assert.equal(registry.latest("a-value"), first)
    time.advance(1)
    assert.equal(registry.latest("a-value"), first)
    time.restore()
    await until(() => registry.latest("a-value") !== first)
    assert.equal((await registry.latest("a-value")).id, 2)
    assert.equal(server.requests.length, 2)
  })

  it("goes on with the old latest version while the registry is away", async () => {
    const time = clock()
    const registry = client({ latestTtl: 1_000 })
    const first = await registry.latest("a-value")
    server.fault = "500"
    time.advance(1_000)
    for (let i = 0; i < 10; i++) assert.equal(registry.latest("a-value"), first)
    time.restore()
    await until(() => server.requests.length === 2)
  })

  it("lets a converter change to a new version", async () => {
    const time = clock()
    const converter = await converterFor("avro", { "schema.registry.url": server.url, "latest.cache.ttl.sec": 1 })
    assert.deepEqual(await converter.encode("a", 1), hex("00 00000001 02"))
    server.add(2, "a-value", '"long"')
    time.advance(1_000)
    assert.deepEqual(converter.encode("a", 1), hex("00 00000001 02"), "the old one meanwhile, at once")
    time.restore()
    await until(() => server.requests.length === 2)
    // The answer needs turns of the event loop, which promises alone do not give.
    for (let id = 1; id !== 2; await turns()) id = ((await converter.encode("a", 1)) as Buffer).readInt32BE(1)
  })

  it("says poison for what is not there, and does not ask again for each record", async () => {
    const time = clock()
    const registry = client()
    for (let i = 0; i < 3; i++)
      await assert.rejects(async () => registry.byId(99), kafkaError("poison", /schemas\/ids\/99: 404 \(40403\)/))
    await assert.rejects(async () => registry.latest("none-value"), kafkaError("poison", /40401/))
    assert.equal(server.requests.length, 2)
    server.add(99, "late-value", '"int"')
    time.advance(10_000)
    assert.equal((await registry.byId(99)).id, 99)
  })

  for (const fault of ["500", "html", "break", "plain404"] as const) {
    it(`says retriable when the registry answers with ${fault}, and works when it is well again`, async () => {
      const registry = client()
      server.fault = fault
      await assert.rejects(async () => registry.byId(1), kafkaError("retriable", /does not answer GET/))
      server.fault = null
      assert.equal((await registry.byId(1)).id, 1)
    })
  }

  it("says retriable when nobody listens, and after its own time when nobody answers", async () => {
    const gone = client({ urls: ["http://127.0.0.1:1"] })
    await assert.rejects(async () => gone.byId(1), kafkaError("retriable", /ECONNREFUSED/))
    server.fault = "hang"
    const slow = client({ timeout: 50 })
    await assert.rejects(async () => slow.byId(1), kafkaError("retriable", /no answer within 50 ms/))
  })

  it("says retriable when the answer is JSON, but not a registry's", async () => {
    server.add(5, "x-value", '"int"', "XML")
    const registry = client()
    await assert.rejects(async () => registry.byId(5), kafkaError("retriable", /schemaType/))
  })

  it("reads no more than it may", async () => {
    server.fault = "oversize"
    await assert.rejects(async () => client().byId(1), kafkaError("poison", /longer than 1048576 bytes/))
  })

  it("follows no redirect: credentials stay with the host that they are for", async () => {
    server.fault = "redirect"
    const registry = client({ basic: "u:p" })
    await assert.rejects(async () => registry.byId(1), kafkaError("fatal", /redirects to http:\/\/127.0.0.1:1/))
    assert.equal(server.requests.length, 1)
  })

  it("says fatal when it is refused, without the password", async () => {
    server.fault = "401"
    const url = server.url.replace("//", "//alice:secret@")
    const registry = client({ urls: [url], basicInUrls: true })
    await assert.rejects(
      async () => registry.byId(1),
      (error: Error) => kafkaError("fatal", /refuses us.*401/)(error) && !error.message.includes("secret"),
    )
    assert.deepEqual(server.authorizations, [`Basic ${Buffer.from("alice:secret").toString("base64")}`])
  })

  it("sends user and password, or a token", async () => {
    await client({ basic: "alice:se:cret" }).byId(1)
    await client({ bearer: "t0ken" }).byId(1)
    await client().byId(1)
    const basic = `Basic ${Buffer.from("alice:se:cret").toString("base64")}`
    assert.deepEqual(server.authorizations, [basic, "Bearer t0ken", undefined])
  })

  it("asks the next address when one does not answer, and begins with the good one from then on", async () => {
    server.add(2, "b-value", '"int"')
    const ill = await FakeRegistry.start()
    ill.fault = "500"
    const registry = client({ urls: [ill.url, server.url] })
    assert.equal((await registry.byId(1)).id, 1)
    assert.equal((await registry.byId(2)).id, 2)
    assert.equal(ill.requests.length, 1)
  })

  it("gets what a schema imports, those without needs first, each once", async () => {
    server.add(10, "c", '"int"')
    server.add(11, "b", '"long"', "AVRO", [{ name: "C", subject: "c", version: 1 }])
    server.add(12, "top", '"string"', "AVRO", [
      { name: "B", subject: "b", version: 1 },
      { name: "C", subject: "c", version: 1 },
    ])
    const { references } = await client().byId(12)
    assert.deepEqual(references, [
      { name: "C", text: '"int"' },
      { name: "B", text: '"long"' },
    ])
  })

  it("ends with schemas that import themselves, and refuses those that import too many", async () => {
    server.add(20, "self", '"int"', "AVRO", [{ name: "Self", subject: "self", version: 1 }])
    assert.equal((await client().byId(20)).references.length, 1)
    for (let i = 0; i < 101; i++) server.add(1000 + i, `n${i}`, '"int"')
    const many = Array.from({ length: 101 }, (_, i) => ({ name: `N${i}`, subject: `n${i}`, version: 1 }))
    server.add(21, "many", '"int"', "AVRO", many)
    await assert.rejects(async () => client().byId(21), kafkaError("poison", /more than 100/))
  })

  it("has no more than a thousand different questions under way", async () => {
    let open = (): void => {}
    server.gate = new Promise(resolve => {
      open = resolve
    })
    const registry = client()
    const answers = Promise.allSettled(Array.from({ length: 1_001 }, async (_, i) => registry.byId(i + 5_000)))
    await assert.rejects(async () => registry.byId(9_999), kafkaError("retriable", /1000 questions/))
    open()
    const kinds = (await answers).map(one => one.status === "rejected" && one.reason.kind)
    assert.deepEqual(kinds, [...Array(1_000).fill("poison"), "retriable"])
  })

  it("says poison when a schema is not compatible with those before", async () => {
    const own = { type: "AVRO", text: '{"type":"fixed","name":"incompatible","size":1}' } as const
    await assert.rejects(async () => client().register("a-value", own), kafkaError("poison", /409/))
  })

  it("writes names of subjects safely into paths", async () => {
    await assert.rejects(async () => client().latest("a/../b?c-value"), kafkaError("poison", /40401/))
    assert.deepEqual(server.requests, ["GET /subjects/a%2F..%2Fb%3Fc-value/versions/latest"])
  })
})
