import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import type { LinkOptions, Listener } from "../../../core/contract.ts"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { loadNative } from "../../../transports/native/native.ts"
import { TcpTransport } from "../../../transports/tcp.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { LINK_OPTIONS, local } from "../../support/link-options.ts"
import { describeNative } from "./addon-fixtures.ts"

const ASKED: Partial<LinkOptions>[] = [
  { sendBufferSize: 30_000 },
  { receiveBufferSize: 0 },
  { tcpKeepaliveCount: 3 },
  { tcpKeepaliveInterval: 3 },
  { tcpMaxRetransmitTimeout: 5_000 },
  { typeOfService: 0x20 },
  { interface: "lo" },
]

if (loadNative() === null) {
  describe("TCP options without the native addon", () => {
    for (const asked of ASKED) {
      const name = Object.keys(asked)[0]
      it(`refuse ${name} with ENOTSUP, at once and where it is used`, async () => {
        const transport = new TcpTransport()
        const wrong = { code: "ENOTSUP", message: new RegExp(`${name} .*native addon`) }
        const endpoint = parseEndpoint("tcp://127.0.0.1:5555")
        assert.throws(() => transport.check(endpoint, "dial", "PAIR", { ...LINK_OPTIONS, ...asked }), wrong)
        const handshake = local("PAIR", { options: asked })
        await assert.rejects(transport.dial(endpoint, handshake, new AbortController().signal), wrong)
        const sink = { accepted() {}, connection() {}, failed() {} }
        await assert.rejects(transport.listen(parseEndpoint("tcp://127.0.0.1:*"), handshake, sink), wrong)
      })
    }
  })
}

describeNative("TCP options with the native addon", native => {
  closesAfterEach()

  const OPTIONS: Partial<LinkOptions> = {
    sendBufferSize: 30_000,
    receiveBufferSize: 40_000,
    tcpKeepalive: 1,
    tcpKeepaliveIdle: 21,
    tcpKeepaliveCount: 4,
    tcpKeepaliveInterval: 5,
    typeOfService: 0x20,
    interface: "lo",
  }

  /** The sockets of a listener and of a dial to it, found by a limit that no other socket has. */
  async function meet(host: string, options: Partial<LinkOptions>): Promise<{ listener: Listener; found: number[] }> {
    const transport = new TcpTransport()
    const ipv6 = host.includes(":") || host === "localhost"
    const listening = local("PAIR", { options: { ipv6, ...options } })
    const listener = await new Promise<Listener>((resolve, reject) => {
      const connected = new Promise<void>(done => {
        transport
          .listen(parseEndpoint(`tcp://${host === "localhost" ? "127.0.0.1" : host}:*`), listening, {
            accepted() {},
            connection(connection) {
              later(() => connection.close())
              done()
            },
            failed: (_address, error) => reject(error),
          })
          .then(async opened => {
            later(() => opened.close())
            const port = opened.endpoint.slice(opened.endpoint.lastIndexOf(":") + 1)
            const connection = await transport.dial(
              parseEndpoint(`tcp://${host}:${port}`),
              local("PAIR", { options: { ipv6, ...options } }),
              new AbortController().signal,
            )
            later(() => connection.close())
            await connected
            resolve(opened)
          })
          .catch(reject)
      })
    })
    const found: number[] = []
    // The lowest numbers are not sockets of ours; a process of tests has fewer than this.
    for (let fd = 3; fd < 1_000; fd++) {
      try {
        if (native.getOption(fd, "TCP_USER_TIMEOUT") === options.tcpMaxRetransmitTimeout) found.push(fd)
      } catch {
        // Another kind of file.
      }
    }
    return { listener, found }
  }

  for (const [index, host] of ["127.0.0.1", "[::1]", "localhost"].entries()) {
    it(`are those of the listener, of what it accepts, and of who connects: ${host}`, async () => {
      const { found } = await meet(host, { ...OPTIONS, tcpMaxRetransmitTimeout: 6_000 + index })
      assert.equal(found.length, 3)
      for (const fd of found) {
        assert.equal(native.getOption(fd, "SO_SNDBUF"), 60_000)
        assert.equal(native.getOption(fd, "SO_RCVBUF"), 80_000)
        assert.equal(native.getOption(fd, "SO_KEEPALIVE"), 1)
        assert.equal(native.getOption(fd, "TCP_KEEPIDLE"), 21)
        assert.equal(native.getOption(fd, "TCP_KEEPCNT"), 4)
        assert.equal(native.getOption(fd, "TCP_KEEPINTVL"), 5)
        assert.equal(native.getOption(fd, "IP_TOS"), 0x20)
        if (host === "[::1]") assert.equal(native.getOption(fd, "IPV6_TCLASS"), 0x20)
        assert.equal(native.deviceOf(fd), "lo")
      }
    })
  }

  it("that the system refuses are errors of bind and connect, and leave nothing open", async () => {
    const transport = new TcpTransport()
    const handshake = local("PAIR", { options: { interface: "nosuch0" } })
    const wrong = { code: "ENODEV", message: /SO_BINDTODEVICE.*tcp:/ }
    const sink = { accepted() {}, connection() {}, failed() {} }
    const server = net.createServer().listen(0, "127.0.0.1")
    later(() => server.close())
    await once(server, "listening")
    const { port } = server.address() as net.AddressInfo
    const endpoint = parseEndpoint(`tcp://127.0.0.1:${port}`)
    await assert.rejects(transport.dial(endpoint, handshake, new AbortController().signal), wrong)
    server.close()
    await once(server, "close")
    await assert.rejects(transport.listen(endpoint, handshake, sink), wrong)
    // The port is free again.
    const again = await transport.listen(endpoint, local("PAIR"), sink)
    await again.close()
  })

  it("let a dial be given up, and say when nobody listens", async () => {
    const transport = new TcpTransport()
    const handshake = local("PAIR", { options: OPTIONS })
    const endpoint = parseEndpoint("tcp://127.0.0.1:1")
    const stopped = transport.dial(endpoint, handshake, AbortSignal.abort())
    await assert.rejects(stopped, { code: "ECONNABORTED" })
    await assert.rejects(transport.dial(endpoint, handshake, new AbortController().signal), { code: "ECONNREFUSED" })
  })
})
