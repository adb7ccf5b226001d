import assert from "node:assert/strict"
import https from "node:https"
import type { Connection, Endpoint, Handshake, Listener, ListenerSink, TlsOptions } from "../../../core/contract.ts"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { HeddleError } from "../../../core/errors.ts"
import type { WebServerKind } from "../../../core/web.ts"
import { WsTransport } from "../../../transports/ws/transport.ts"
import { transportConformance } from "../../conformance/transport.ts"
import { freeTcp } from "../../support/addresses.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { local } from "../../support/link-options.ts"
import { Door } from "../../support/sinks.ts"
import { until } from "../../support/wait.ts"
import { certificates, hasOpenssl } from "./certificates.ts"
import { RawWebPeer } from "./raw-web-peer.ts"
import { KINDS, Log, openWeb, serversOf } from "./web-suite.ts"

/** Gives both sides what the option `tls` of a socket would. */
class SecureTransport extends WsTransport {
  readonly given: { listen: TlsOptions; dial: TlsOptions }

  constructor(kind: WebServerKind, given?: { listen: TlsOptions; dial: TlsOptions }) {
    super("wss", serversOf(kind))
    const { ca, server } = certificates()
    this.given = given ?? { listen: server, dial: { ca } }
  }

  override listen(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener> {
    return super.listen(endpoint, withTls(local, this.given.listen), sink)
  }

  override dial(
    endpoint: Endpoint,
    local: Handshake,
    signal: AbortSignal,
    reached?: (address: string) => void,
  ): Promise<Connection> {
    return super.dial(endpoint, withTls(local, this.given.dial), signal, reached)
  }
}

function withTls(local: Handshake, tls: TlsOptions): Handshake {
  return { ...local, options: { ...local.options, tls } }
}

if (!hasOpenssl()) describe("wss", () => it.skip("needs openssl to make certificates"))
else {
  for (const kind of KINDS) {
    // By uWebSockets.js it would fail where both sides send megabytes at once (SPEC.md, WS-12).
    if (kind === "ws")
      transportConformance(`wss by ${kind}`, () => new SecureTransport(kind), {
        any: () => "wss://127.0.0.1:*",
        definite: async () => (await freeTcp()).replace("tcp:", "wss:"),
        refused: "ECONNREFUSED",
        bytes: true,
        wire: false,
        counted: body => body + 1,
        invalid: [["wss://127.0.0.1:0", "dial", "EINVAL"]],
      })

    describe(`wss by ${kind}, certificates`, () => {
      closesAfterEach()

      const reach = async (dial: TlsOptions, listen?: TlsOptions): Promise<HeddleError | Connection> => {
        const { server } = certificates()
        const transport = new SecureTransport(kind, { listen: listen ?? server, dial })
        const door = new Door()
        const listener = await transport.listen(parseEndpoint("wss://127.0.0.1:*"), local("PAIR"), door)
        later(() => listener.close())
        later(() => {
          for (const one of door.connections) one.close()
        })
        const { signal } = new AbortController()
        const dialling = transport.dial(parseEndpoint(listener.endpoint), local("PAIR"), signal)
        return dialling.then(
          connection => {
            later(() => connection.close())
            return connection
          },
          (error: HeddleError) => error,
        )
      }

      it("of a stranger are refused by who connects, unless told otherwise", async () => {
        const refused = await reach({})
        assert.ok(refused instanceof HeddleError)
        assert.match(refused.message, /wss:\/\/127\.0\.0\.1/)
        assert.ok(!((await reach({ rejectUnauthorized: false })) instanceof Error))
      })

      it("must be for the name that is wanted", async () => {
        const { ca } = certificates()
        assert.ok((await reach({ ca, serverName: "elsewhere.example" })) instanceof HeddleError)
        assert.ok(!((await reach({ ca, serverName: "localhost" })) instanceof Error))
      })

      it("are asked of clients where an authority for them is given", async () => {
        const { ca, server, client } = certificates()
        if (kind === "uWebSockets.js") {
          // It would let in who shows none.
          const given = { listen: { ...server, ca }, dial: { ca } }
          const transport = new SecureTransport(kind, given)
          const listening = transport.listen(parseEndpoint("wss://127.0.0.1:*"), local("PAIR"), new Door())
          await assert.rejects(listening, { code: "ENOTSUP" })
          return
        }
        assert.ok((await reach({ ca }, { ...server, ca })) instanceof HeddleError)
        assert.ok(!((await reach({ ca, ...client }, { ...server, ca })) instanceof Error))
      })

      it("serve plain HTTP and web clients alike", async () => {
        const { ca, server: tls } = certificates()
        const log = new Log()
        log.request = (_request, response) => response.reply(200, {}, "secret")
        const { server } = await openWeb(kind, { tls }, log, "wss://127.0.0.1:*")
        const peer = await RawWebPeer.open(server.endpoint, { tls: { ca, servername: "localhost" } })
        peer.text("hello")
        await until(() => log.messages.length === 1)
        const body = await new Promise<string>((resolve, reject) => {
          const get = https.get(server.endpoint.replace("wss:", "https:"), { ca, agent: false }, response => {
            response.setEncoding("utf8").on("data", resolve)
          })
          get.on("error", reject)
        })
        assert.equal(body, "secret")
      })
    })
  }
}
