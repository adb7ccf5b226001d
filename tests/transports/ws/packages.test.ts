import assert from "node:assert/strict"
import { loadUws } from "../../../transports/ws/uws.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { runModule } from "../../support/processes.ts"
import { KINDS } from "./web-suite.ts"

const SERVERS = new URL("../../../transports/ws/web-servers.js", import.meta.url).href
const INDEX = new URL("../../../index.js", import.meta.url).href
const TRANSPORT = new URL("../../../transports/ws/transport.js", import.meta.url).href
const LINK_OPTIONS = new URL("../../support/link-options.js", import.meta.url).href

/** A program in which these packages are not installed. */
const without = (packages: readonly string[], code: string): string => `
  import Module, { register } from "node:module"
  const missing = ${JSON.stringify(packages)}
  const resolve = Module._resolveFilename
  Module._resolveFilename = (name, ...rest) => {
    if (missing.includes(name)) throw Object.assign(new Error("Cannot find module '" + name + "'"), { code: "MODULE_NOT_FOUND" })
    return resolve(name, ...rest)
  }
  register("data:text/javascript," + encodeURIComponent(\`
    const missing = \${JSON.stringify(missing)}
    export async function resolve(name, context, next) {
      if (missing.includes(name)) throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" })
      return next(name, context)
    }\`))
  const say = text => process.stdout.write(text)
  const { LibraryWebServers } = await import("${SERVERS}")
  const open = options => new LibraryWebServers().open("ws://127.0.0.1:*", options ?? {}, {})
  ${code}
`

describe("Packages for WebSockets", () => {
  closesAfterEach()

  it("are loaded when they are first used, and neither is needed but one", async () => {
    const code = `
      const loaded = () => Object.keys(Module._cache).some(file => /uWebSockets|[/]ws[/]/.test(file))
      say("before: " + loaded())
      const server = await open()
      say(" " + server.kind + " after: " + loaded())
      await server.close()
      process.exit()`
    if (loadUws() !== null)
      assert.equal((await runModule(without(["ws"], code))).output, "before: false uWebSockets.js after: true")
    assert.match((await runModule(without(["uWebSockets.js"], code))).output, /before: false ws after/)
  })

  it("let the process end when their sockets are closed", async () => {
    const code = `
      for (const kind of ${JSON.stringify(KINDS)}) {
        process.env.HEDDLE_WS = kind
        const { Pull, Push } = await import("${INDEX}")
        const pull = new Pull()
        await pull.bind("ws://127.0.0.1:*")
        const push = new Push()
        push.connect(pull.lastEndpoint)
        await push.send("x")
        say(String((await pull.receive())[0]))
        await Promise.all([push.close(), pull.close()])
      }
      say(" done")`
    assert.deepEqual(await runModule(without([], code)), { code: 0, output: `${"x".repeat(KINDS.length)} done` })
  })

  it("are named by the error when both are missing, with the command that installs one", async () => {
    const code = `
      await open().catch(error => say(error.code + ": " + error.message))
      const { WsTransport } = await import("${TRANSPORT}")
      const { local } = await import("${LINK_OPTIONS}")
      const endpoint = { scheme: "ws", address: "127.0.0.1:1", href: "ws://127.0.0.1:1" }
      delete globalThis.WebSocket
      await new WsTransport("ws").dial(endpoint, local("PAIR"), new AbortController().signal)
        .catch(error => say(" " + error.code + ": " + error.message))`
    const { output } = await runModule(without(["ws", "uWebSockets.js"], code))
    assert.match(
      output,
      /^ERR_MISSING_PACKAGE: To listen at ws:.*npm install ws ERR_MISSING_PACKAGE: To connect.*npm install ws$/,
    )
  })
})
