import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import type { Registries } from "../../../bridge-kafka/config/classes.ts"
import { configPage, describeKeys, keysText } from "../../../bridge-kafka/config/describe.ts"
import { CONVERTERS } from "../../../bridge-kafka/converters/converters.ts"
import { PREDICATES, TRANSFORMS } from "../../../bridge-kafka/transforms/registry.ts"

const REAL: Registries = { transforms: TRANSFORMS, predicates: PREDICATES, converters: CONVERTERS }
/** dist/tests/bridge-kafka/config/ */
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../..")
const PAGE = path.join(ROOT, "docs", "bridge-config.md")

describe("Help on configuration", () => {
  it("has words for every setting, once in each group", () => {
    for (const { title, rows } of describeKeys(REAL)) {
      const names = rows.map(({ name }) => name)
      assert.equal(new Set(names).size, names.length, title)
      for (const { name, doc } of rows) assert.match(doc, /[a-z].*[.:`)]$/s, `${title}: ${name} has no sentence`)
    }
  })

  it("names values and defaults as they are written", () => {
    const rows = new Map(describeKeys().flatMap(({ rows }) => rows.map(row => [row.name, row])))
    assert.equal(rows.get("buffer.memory.bytes")?.default, "64MiB")
    assert.equal(rows.get("errors.retry.delay.max.ms")?.default, "1m")
    assert.equal(rows.get("topic.prefix")?.default, '""')
    assert.equal(rows.get("topics")?.default, "required")
    assert.match(String(rows.get("compression.type")?.doc), /One of `none`, `gzip`, `snappy`, `lz4`, `zstd`\.$/)
  })

  it("is text for a terminal, of what was asked for", () => {
    const text = keysText(REAL, "fsync")
    assert.match(text, /^spool\n {2}fsync \(string, default interval:5ms\)\n {6}When/)
    assert.doesNotMatch(text, /`|max\.bytes \(/)
    for (const line of keysText(REAL).split("\n")) assert.ok(line.length < 125, line)
  })

  it("is the page docs/bridge-config.md", () => {
    const page = configPage(REAL)
    if (process.env.HEDDLE_WRITE_DOCS === "1") fs.writeFileSync(PAGE, page)
    assert.equal(
      fs.readFileSync(PAGE, "utf8"),
      page,
      "docs/bridge-config.md is old: run this test with HEDDLE_WRITE_DOCS=1",
    )
  })
})
