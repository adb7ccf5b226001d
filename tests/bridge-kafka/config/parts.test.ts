import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import { chain, converter } from "../../../bridge-kafka/config/classes.ts"
import { parseSource } from "../../../bridge-kafka/config/json-source.ts"
import { type ConfigKey, camelCase } from "../../../bridge-kafka/config/keys.ts"
import { Problems } from "../../../bridge-kafka/config/problems.ts"
import { parseProperties } from "../../../bridge-kafka/config/properties-file.ts"
import { Section } from "../../../bridge-kafka/config/section.ts"
import { nearest } from "../../../bridge-kafka/config/suggestion.ts"
import { formatBytes, formatDuration, parseBytes, parseDuration } from "../../../bridge-kafka/config/units.ts"
import { parseValue } from "../../../bridge-kafka/config/value.ts"
import { Variables } from "../../../bridge-kafka/config/variables.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { seeded } from "../../support/random.ts"
import { REGISTRIES } from "./registries.ts"

function told(section: Section): string {
  try {
    section.context.problems.throwIfAny("it", text => text)
    return ""
  } catch (error) {
    return (error as Error).message
  }
}

function sectionOf(input: object, environment: Record<string, string> = {}): Section {
  return new Section(input, "config", { problems: new Problems(), variables: new Variables(environment) })
}

describe("Parts of the configuration", () => {
  closesAfterEach()

  it("reads units", () => {
    const bytes = { "5": 5, "64KiB": 65536, "8GiB": 2 ** 33, "1.5 MiB": 1572864, "10MB": 1e7, "1kb": 1000, "-1": -1 }
    for (const [text, value] of Object.entries(bytes)) assert.equal(parseBytes(text), value, text)
    const durations = { "5": 5, "5ms": 5, "1.5s": 1500, "2m": 120_000, "1h": 3_600_000, "7d": 604_800_000 }
    for (const [text, value] of Object.entries(durations)) assert.equal(parseDuration(text), value, text)
    for (const bad of [
      "",
      "x",
      "5 parsecs",
      "1.0001KiB",
      "1e3",
      "5ms ms",
      "constructor",
      "0x10",
      "99999999999999999d",
    ]) {
      assert.deepEqual([parseBytes(bad), parseDuration(bad)], [null, null], bad)
    }
    assert.deepEqual([2 ** 30, 65536, 1000, 0].map(formatBytes), ["1GiB", "64KiB", "1000", "0"])
    assert.deepEqual([864e5, 90_000, 1_500, 0].map(formatDuration), ["1d", "90s", "1500ms", "0"])
  })

  it("reads values from text, numbers and booleans", () => {
    const value = (type: ConfigKey["type"], raw: unknown, more: Partial<ConfigKey> = {}): unknown => {
      const result = parseValue({ name: "n", type, doc: "", ...more }, raw)
      return "value" in result ? result.value : new Error(result.wrong)
    }
    const good: [ConfigKey["type"], unknown, unknown][] = [
      ["int", "5", 5],
      ["int", 5, 5],
      ["int", " -5 ", -5],
      ["long", 2 ** 40, 2 ** 40],
      ["boolean", "True", true],
      ["boolean", false, false],
      ["list", "a, b,,c", ["a", "b", "c"]],
      ["list", ["a", 1], ["a", "1"]],
      ["list", "", []],
      ["string", 5, "5"],
      ["string", "", ""],
      ["bytes", "1KiB", 1024],
      ["duration", "1s", 1000],
    ]
    for (const [type, raw, expected] of good) assert.deepEqual(value(type, raw), expected, `${type} ${raw}`)
    const bad: [ConfigKey["type"], unknown][] = [
      ["int", "5.5"],
      ["int", 2 ** 31],
      ["int", true],
      ["int", ""],
      ["long", 2 ** 53],
      ["boolean", "yes"],
      ["boolean", 1],
      ["list", {}],
      ["list", [["a"]]],
      ["string", {}],
      ["bytes", -1],
      ["duration", "soon"],
    ]
    for (const [type, raw] of bad) assert.ok(value(type, raw) instanceof Error, `${type} ${JSON.stringify(raw)}`)
    assert.match(String(value("int", 1, { min: 2 })), /at least 2/)
    assert.match(String(value("bytes", 1, { min: 1024 })), /at least 1KiB/)
    assert.match(String(value("list", "a,x", { values: ["a", "b"] })), /one of a, b/)
    assert.match(String(value("string", "x", { check: () => "must be y" })), /must be y/)
  })

  it("makes names of code out of names of users", () => {
    assert.equal(camelCase("errors.retry.delay.max.ms"), "errorsRetryDelayMaxMs")
    assert.equal(camelCase("name"), "name")
  })

  it("finds the name that was probably meant", () => {
    const known = ["topic", "topics", "errors.tolerance"]
    assert.equal(nearest("errors.tolerence", known), "errors.tolerance")
    assert.equal(nearest("Topic", known), "topic")
    assert.equal(nearest("subjects", known), null)
    assert.equal(nearest("", known), null)
    assert.equal(nearest("x".repeat(10_000), known), null)
  })

  describe("variables", () => {
    const all = (text: string, environment: Record<string, string>, folder = "."): [string, string[]] => {
      const problems: string[] = []
      return [new Variables(environment, folder).resolve(text, problem => problems.push(problem)), problems]
    }

    it("come from the environment, once", () => {
      assert.deepEqual(all("a${env:X}-${env:Y}", { X: "${env:Y}", Y: "" }), ["a${env:Y}-", []])
      assert.deepEqual(all("${env:NOT}", {})[1], ["the environment variable NOT is not set"])
      assert.deepEqual(all("${Env:X}", { X: "x" })[1], [
        '${Env:…} is not known, use ${env:NAME} or ${file:/path:key}; did you mean "env"?',
      ])
      assert.match(all("${dir:/x:y}", {})[1][0], /\$\{dir:…\} is not known/)
    })

    it("leave templates alone", () => {
      for (const text of ["${subject}", "${header.hd.subject:-prices.${key}}", "$1", "$${env:X}", "${x:-y}", "${"]) {
        assert.deepEqual(all(text, { X: "x" }), [text, []])
      }
    })

    it("come from files of properties", () => {
      const folder = temporaryFolder()
      fs.writeFileSync(path.join(folder, "secrets"), "# mine\npassword = s\\u0065same:=\\\n   again\n")
      assert.deepEqual(all("${file:secrets:password}", {}, folder), ["sesame:=again", []])
      assert.deepEqual(all(`\${file:${folder}/secrets:password}`, {}), ["sesame:=again", []])
      assert.match(all("${file:secrets:pasword}", {}, folder)[1][0], /has no key "pasword"; did you mean "password"\?/)
      assert.match(all("${file:nowhere:x}", {}, folder)[1][0], /cannot be read: ENOENT/)
      assert.match(all("${file:.:x}", {}, folder)[1][0], /is no file/)
      assert.match(all("${file:x}", {}, folder)[1][0], /names no key/)
    })
  })

  it("reads properties as Java does", () => {
    const text = "a=1\r\nb: 2\n c 3\nd\n! no\ne = x \\\n    y\n\\#f\\ g=h\\=\\ti\\\\\nk=v=w\n  \nl=\\"
    assert.deepEqual(Object.fromEntries(parseProperties(text)), {
      a: "1",
      b: "2",
      c: "3",
      d: "",
      e: "x y",
      "#f g": "h=\ti\\",
      k: "v=w",
      l: "",
    })
  })

  describe("JSON", () => {
    const why = (text: string): string => {
      try {
        parseSource(text, "f.json")
        return ""
      } catch (error) {
        return (error as Error).message
      }
    }

    it("is read, and mistakes are told by line and column without what stands there", () => {
      assert.deepEqual(parseSource(' {"a": [1, -2.5e3, "\\u00e9\\"", true, null, {}], "b": {"a": []}} ', "f"), {
        a: [1, -2500, 'é"', true, null, {}],
        b: { a: [] },
      })
      assert.match(why('{\n  "p": hunter2 }'), /f\.json is no JSON: a value is expected here \(line 2, column 8\)/)
      assert.match(why('{\n "a": 1 // why\n}'), /JSON has no comments \(line 2, column 9\)/)
      assert.match(why('{"a": 1, "b": 2, "a": 3}'), /"a" comes twice in one object \(line 1, column 18\)/)
      assert.match(why('{"a": "x\n"}'), /does not end on its line/)
      assert.match(why(""), /the file ends too early/)
      assert.match(why("{} {}"), /after the end/)
      assert.match(why('{"a" 1}'), /":" is expected/)
      assert.match(why("[1, 2"), /"," or "]" is expected/)
      assert.match(why("{'a': 1}"), /a name in double quotes/)
      assert.match(why("[".repeat(100_000)), /nested too deep/)
    })

    it("accepts and refuses what JSON.parse does", () =>
      seeded(random => {
        const pieces = [
          "{",
          "}",
          "[",
          "]",
          ",",
          ":",
          '"a"',
          '"b"',
          "1",
          "-0",
          "01",
          "true",
          "null",
          " ",
          '"\\n"',
          '"\t"',
        ]
        for (let run = 0; run < 3_000; run++) {
          const text = Array.from({ length: random.int(1, 7) }, () => random.pick(pieces)).join("")
          let expected = true
          try {
            JSON.parse(text)
          } catch {
            expected = false
          }
          const said = why(text)
          assert.equal(said === "" || /comes twice/.test(said), expected, `${text}: ${said}`)
        }
      }))
  })

  describe("chains", () => {
    const chained = {
      transforms: "m,f",
      "transforms.m.type": "org.apache.kafka.connect.transforms.MaskField$Value",
      "transforms.m.fields": "a,b",
      "transforms.f.type": "Filter",
      "transforms.f.predicate": "p",
      "transforms.f.negate": "true",
      predicates: "p",
      "predicates.p.type": "TopicNameMatches",
      "predicates.p.pattern": "x.*",
    }

    it("are read as Connect writes them", () => {
      const section = sectionOf(chained)
      assert.deepEqual(chain(section, REGISTRIES), [
        { alias: "m", type: "MaskField$Value", settings: { fields: ["a", "b"], replacement: null }, predicate: null },
        {
          alias: "f",
          type: "Filter",
          settings: {},
          predicate: { alias: "p", type: "TopicNameMatches", settings: { pattern: "x.*" }, negate: true },
        },
      ])
      section.finish()
      assert.equal(told(section), "")
    })

    it("say what is wrong", () => {
      const section = sectionOf({
        ...chained,
        transforms: "m,f,g,h,h",
        "transforms.m.field": "a",
        "transforms.f.predicate": "q",
        "transforms.g.type": "Fliter",
        "transforms.g.whatever": "1",
        "transforms.i.type": "Filter",
      })
      chain(section, REGISTRIES)
      section.finish()
      const text = told(section)
      assert.match(text, /config\.transforms: "h" comes twice/)
      assert.match(text, /config\.transforms\.m\.field: is not known; did you mean "transforms\.m\.fields"\?/)
      assert.match(text, /config\.transforms\.f\.predicate: is "q", which is not in "predicates"/)
      assert.match(text, /config\.transforms\.g\.type: is "Fliter", which is no transform; did you mean "Filter"\?/)
      assert.match(text, /config\.transforms\.h\.type: is missing/)
      assert.match(text, /config\.transforms\.i\.type: is not known/)
      assert.doesNotMatch(text, /whatever/)
    })

    it("converters have settings after their name", () => {
      const section = sectionOf({
        "value.converter": "avro",
        "value.converter.schema.registry.url": "http://a,http://b",
      })
      assert.deepEqual(converter(section, "value.converter", REGISTRIES.converters), {
        type: "avro",
        settings: { schemaRegistryUrl: ["http://a", "http://b"], schemaRegistryBasicAuthUserInfo: null },
      })
      assert.deepEqual(converter(section, "key.converter", REGISTRIES.converters), { type: "bytes", settings: {} })
      section.finish()
      assert.equal(told(section), "")
    })
  })
})
