import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { closesAfterEach } from "./support/cleanup.ts"
import { runModule } from "./support/processes.ts"

/** The compiled tests lie in a folder of their own: the sources are where package.json is. */
const COMPILED = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const ROOT = path.dirname(COMPILED)

/** Who may import whom (DESIGN.md, section 2). "node:" is any module of Node, "package" any that npm installs. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  // Node's Buffer is a kind of memory, not a door to the system: everything else of Node is a transport's affair.
  core: ["core", "node:buffer"],
  transports: ["core", "transports", "node:", "package"],
  patterns: ["core", "patterns", "node:buffer"],
  "bridge-kafka": ["core", "patterns", "bridge-kafka", "node:"],
  cli: ["cli", "index.ts", "node:", "package"],
  examples: ["examples", "index.ts", "node:", "package"],
  bench: ["bench", "index.ts", "node:", "package"],
  "index.ts": ["core", "patterns", "transports", "node:"],
  // For pages: nothing of Node can be in it.
  "browser.ts": ["core", "patterns"],
  "testing.ts": ["core", "patterns", "transports", "index.ts"],
}

const FRONT_DOORS = ["index.ts", "browser.ts", "testing.ts"]

/** Exceptions, each with its reason. */
const EXCEPTIONS: Record<string, readonly string[]> = {
  // `isIP`, a pure function: options are checked when they are set, not when a transport reads them.
  "core/socket-options.ts": ["node:net"],
  // The default codec of the fabric is the library; whoever never joins one does not load it.
  "core/codecs/msgpack.ts": ["package"],
  // Sources of candidates are small doors to the system: a folder, a datagram, a resolver.
  "patterns/fabric/discovery/": ["node:"],
  // Which host and process this is.
  "patterns/fabric/whereabouts.ts": ["node:"],
  // The front door of the bridge joins with the default transports, as that of the sockets does.
  "bridge-kafka/index.ts": ["index.ts"],
  // The only door to the Kafka client.
  "bridge-kafka/platformatic/": ["package"],
  // Formats of payloads are their libraries, loaded when a route asks for one.
  "bridge-kafka/converters/avro.ts": ["package"],
  "bridge-kafka/converters/json-schema.ts": ["package"],
  "bridge-kafka/converters/protobuf.ts": ["package"],
  // Measures the bridge, against the broker of the tests.
  "bench/kafka/": ["tests"],
  "bench/workers/kafka/": ["bridge-kafka", "tests"],
  "bench/workers/heddle/kafka/": ["bridge-kafka"],
}

/** What a file may import besides, by its own name or its folder's. */
function exceptionsOf(file: string): readonly string[] {
  return Object.entries(EXCEPTIONS).flatMap(([name, modules]) =>
    file === name || (name.endsWith("/") && file.startsWith(name)) ? modules : [],
  )
}

const MOST_LINES = 1_000

function sources(folder: string): string[] {
  const found: string[] = []
  for (const entry of fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true })) {
    const name = path.join(folder, entry.name)
    if (entry.isDirectory()) found.push(...sources(name))
    else if (/\.[cm]?ts$/.test(entry.name) && !entry.name.endsWith(".d.ts")) found.push(name)
  }
  return found
}

const folders = Object.keys(MAY_IMPORT).filter(
  name => fs.existsSync(path.join(ROOT, name)) && !FRONT_DOORS.includes(name),
)
const product = [...folders.flatMap(sources), ...FRONT_DOORS]
/** Without this file, whose examples would be taken for imports. */
const all = [...product, ...sources("tests").filter(file => !file.endsWith("architecture.test.ts"))]

const read = (file: string): string => fs.readFileSync(path.join(ROOT, file), "utf8")

/** Text without comments, and without programs that tests keep in template strings of several lines. */
function bare(text: string): string {
  return text.replace(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, found =>
    found.startsWith("/") || found.includes("\n") ? "" : found,
  )
}

/** What a file imports, in any of the ways there are. */
function imports(text: string): string[] {
  const clauses = [
    /(?:^|\n)\s*(?:import|export)\s(?:[\w\s{},*$]*?\s)?from\s*"([^"\n]+)"/g,
    /(?:^|\n)\s*import\s*"([^"\n]+)"/g,
    /\b(?:import|require)\s*\(\s*["'`]([^"'`\n]+)["'`]/g,
  ]
  const code = bare(text)
  return clauses.flatMap(clause => [...code.matchAll(clause)].map(match => match[1]))
}

/** The folder (or file of the root) that a module is of, or what kind of stranger it is. */
function home(from: string, module: string): string {
  if (module.startsWith("node:")) return module
  if (!module.startsWith(".")) return "package"
  const target = path.normalize(path.join(path.dirname(from), module))
  return target.includes(path.sep) ? target.split(path.sep)[0] : target
}

describe("Architecture", () => {
  closesAfterEach()

  it("is judged by all sources, and by all that they import", () => {
    assert.ok(product.length > 50, `only ${product.length} sources were found`)
    for (const folder of ["core", "transports", "patterns"]) assert.ok(folders.includes(folder))
    for (const file of product) {
      const plain = bare(read(file)).match(/\bfrom "[^"\n]+"$/gm)?.length ?? 0
      assert.ok(imports(read(file)).length >= plain, `${file}: an import was not understood`)
    }
    const ways = `
      import a from "./a.ts"
      import type { B,
        C } from "./b.ts" // from "./no.ts"
      export * from "./c.ts"
      export type { D } from "./d.ts"
      import "./e.ts"
      const f = await import("./f.ts")
      /* import x from "./no.ts" */
    `
    assert.deepEqual(imports(ways).sort(), ["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts", "./f.ts"])
  })

  for (const [folder, allowed] of Object.entries(MAY_IMPORT)) {
    it(`${folder} imports ${allowed.join(", ")} and nothing else`, () => {
      const wrong: string[] = []
      for (const file of product) {
        if (file !== folder && !file.startsWith(folder + path.sep)) continue
        for (const module of imports(read(file))) {
          const from = home(file, module)
          const may = [...allowed, ...exceptionsOf(file)]
          if (!may.some(one => one === from || (one === "node:" && from.startsWith(one))))
            wrong.push(`${file}: ${module}`)
        }
      }
      assert.deepEqual(wrong, [])
    })
  }

  it("needs no exception that is not used", () => {
    for (const [name, modules] of Object.entries(EXCEPTIONS)) {
      const files = product.filter(file => file === name || (name.endsWith("/") && file.startsWith(name)))
      if (files.length === 0 && !name.endsWith("/") && !fs.existsSync(path.join(ROOT, name))) continue
      const used = files.flatMap(file => imports(read(file)).map(module => home(file, module)))
      for (const module of modules) {
        assert.ok(
          used.some(one => one === module || (module === "node:" && one.startsWith(module))),
          `${name} does not import ${module}`,
        )
      }
    }
  })

  it("keeps the contract free of imports", () => {
    assert.deepEqual(imports(read("core/contract.ts")), [])
  })

  it("has no import for its side effect alone", () => {
    for (const file of all) assert.doesNotMatch(bare(read(file)), /(?:^|\n)\s*import\s*["']/, file)
  })

  it("has an effect on nothing when it is imported: no handles, no globals, one listener", async () => {
    const { code, output } = await runModule(`
      const look = () => JSON.stringify([
        Reflect.ownKeys(globalThis).map(String),
        // One exception: inproc counts the workers of the process from the start, so that a bind need not ask nobody.
        process.eventNames().filter(name => name !== "worker").map(name => [String(name), process.listenerCount(name)]),
        process.getActiveResourcesInfo().filter(name => !["PipeWrap", "FSReqPromise", "CloseReq"].includes(name)),
      ])
      await import("node:net")
      await import("node:worker_threads")
      const before = look()
      await import("${pathToFileURL(path.join(COMPILED, "index.js"))}")
      process.stdout.write(look() === before ? "same" : before + " became " + look())
    `)
    assert.deepEqual([code, output], [0, "same"])
  })

  it("names modules of its own by their files, with the extension .ts", () => {
    for (const file of all) {
      for (const module of imports(read(file))) {
        if (!module.startsWith(".")) continue
        assert.match(module, /\.(ts|json)$/, `${file} imports ${module}`)
        assert.ok(
          fs.existsSync(path.join(ROOT, path.dirname(file), module)),
          `${file} imports ${module}, which is not there`,
        )
      }
    }
  })

  it(`has no file of more than ${MOST_LINES} lines`, () => {
    for (const file of all) {
      const lines = read(file).split("\n").length
      assert.ok(lines <= MOST_LINES, `${file} has ${lines} lines`)
    }
  })
})
