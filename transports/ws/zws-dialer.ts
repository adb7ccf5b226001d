import net from "node:net"
import tls from "node:tls"
import type { WebSocket } from "ws"
import type { Connection, Endpoint, Handshake } from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import type { TlsOptions } from "../../core/web.ts"
import { parseWebAddress, type WebAddress } from "./address.ts"
import { GlobalLink, type WebSocketClass } from "./global-link.ts"
import type { WebLink } from "./link.ts"
import { PackageLink } from "./package-link.ts"
import { loadWs, noPackage, type WsPackage } from "./ws-package.ts"
import { OFFERED } from "./zws-frame.ts"
import { ZwsHandshaker } from "./zws-handshake.ts"

/** How much of a refusal's text is kept. */
const MAX_REASON = 1024
/** Above the limit of the socket, which we check ourselves to say why. */
const MARGIN = 64 * 1024

/** One attempt to reach `endpoint` by the package `ws`, or by the WebSocket that is given or that the runtime has. */
export async function dialZws(
  given: WebSocketClass | undefined,
  endpoint: Endpoint,
  local: Handshake,
  signal: AbortSignal,
  reached?: (address: string) => void,
): Promise<Connection> {
  const address = endpoint.href
  const runtime = (globalThis as { WebSocket?: WebSocketClass }).WebSocket ?? null
  const library = given ?? (await loadWs()) ?? runtime
  if (library === null) throw noPackage("To connect to", address, "")
  return new Promise((resolve, reject) => {
    let handshaker: ZwsHandshaker | null = null
    let attempt: Attempt | null = null
    let timer: NodeJS.Timeout | undefined
    let over = false
    const settle = (): void => {
      over = true
      clearTimeout(timer)
      signal.removeEventListener("abort", aborted)
    }
    const fail = (error: HeddleError): void => {
      if (over) return
      settle()
      if (handshaker === null) attempt?.cancel()
      else handshaker.cancel(error)
      reject(error)
    }
    const aborted = (): void => fail(new HeddleError("ECONNABORTED", `Dialling ${address} was given up`, { address }))
    const opened = (link: WebLink): void => {
      if (over) {
        link.destroy()
        return
      }
      clearTimeout(timer)
      reached?.(address)
      handshaker = new ZwsHandshaker(link, local, address, "dial", {
        connected: connection => {
          settle()
          resolve(connection)
        },
        failed: error => {
          settle()
          reject(error)
        },
      })
      handshaker.begin()
    }
    const where = parseWebAddress(endpoint, "dial")
    attempt =
      "WebSocket" in library
        ? byPackage(library, endpoint, where, local, opened, fail)
        : byGlobal(library, endpoint, local, opened, fail)
    const { connectTimeout, handshakeInterval } = local.options
    const limit = connectTimeout > 0 ? connectTimeout : handshakeInterval
    if (limit > 0) {
      const text = `connect to ${address}: nobody answered within ${limit} ms (${connectTimeout > 0 ? "connectTimeout" : "handshakeInterval"})`
      timer = setTimeout(() => fail(new HeddleError("ETIMEDOUT", text, { address })), limit)
      timer.unref()
    }
    if (signal.aborted) aborted()
    else signal.addEventListener("abort", aborted, { once: true })
  })
}

interface Attempt {
  cancel(): void
}

type Opened = (link: WebLink) => void
type Failed = (error: HeddleError) => void

function byPackage(
  { WebSocket }: WsPackage,
  endpoint: Endpoint,
  where: WebAddress,
  local: Handshake,
  opened: Opened,
  failed: Failed,
): Attempt {
  const address = endpoint.href
  const { options } = local
  const stream = connect(endpoint, where, local)
  stream.setNoDelay(true)
  stream.unref()
  const host = where.host.includes(":") ? `[${where.host}]` : where.host
  const socket: WebSocket = new WebSocket(`${endpoint.scheme}://${host}:${where.port}${where.path}`, [...OFFERED], {
    createConnection: (() => stream) as never,
    perMessageDeflate: false,
    maxPayload: options.maxMessageSize < 0 ? 0 : Math.min(2 ** 31 - 1, options.maxMessageSize + MARGIN),
    // The peer of a program is no page.
    skipUTF8Validation: true,
  })
  socket.on("error", error => failed(fromSystem(error, "connect to", address)))
  socket.on("unexpected-response", (_request, response) => {
    let text = ""
    response.on("data", (chunk: Buffer) => {
      if (text.length < MAX_REASON) text += chunk.toString()
    })
    const end = (): void => failed(refusal(response.statusCode ?? 0, text.trim().slice(0, MAX_REASON), address))
    response.once("end", end)
    response.once("close", end)
  })
  socket.once("open", () => {
    socket.removeAllListeners("error")
    opened(new PackageLink(socket, stream))
  })
  return {
    cancel: () => {
      // It reports that it was closed before it was open.
      socket.terminate()
      stream.destroy()
    },
  }
}

function byGlobal(
  WebSocket: WebSocketClass,
  endpoint: Endpoint,
  local: Handshake,
  opened: Opened,
  failed: Failed,
): Attempt {
  const address = endpoint.href
  if (local.options.tls) {
    const text = `The option tls (of ${address}) needs the package ws here: npm install ws`
    queueMicrotask(() => failed(new HeddleError("ENOTSUP", text, { address, fatal: true })))
    return { cancel: () => {} }
  }
  const socket = new WebSocket(address, [...OFFERED])
  socket.binaryType = "arraybuffer"
  // It says no more than that it failed.
  const refused = (): void => {
    const text = `connect to ${address}: the WebSocket could not be opened; the address is wrong, or nobody listens there yet`
    failed(new HeddleError("ECONNREFUSED", text, { address }))
  }
  socket.onerror = refused
  socket.onclose = refused
  socket.onopen = () => opened(new GlobalLink(socket))
  return { cancel: () => socket.close() }
}

function connect(endpoint: Endpoint, { host, port }: WebAddress, { options }: Handshake): net.Socket {
  const { ipv6, tcpKeepalive, tcpKeepaliveIdle } = options
  const where: net.TcpNetConnectOpts = {
    host,
    port,
    family: ipv6 ? 0 : 4,
    keepAlive: tcpKeepalive === 1,
    ...(tcpKeepaliveIdle > 0 && { keepAliveInitialDelay: tcpKeepaliveIdle * 1000 }),
  }
  return endpoint.scheme === "wss" ? tls.connect({ ...where, ...secure(host, options.tls) }) : net.connect(where)
}

function secure(host: string, given: TlsOptions | null | undefined): tls.ConnectionOptions {
  const { key, cert, ca, passphrase, rejectUnauthorized = true, serverName } = given ?? {}
  return {
    ...(key !== undefined && { key }),
    ...(cert !== undefined && { cert }),
    ...(ca !== undefined && { ca }),
    ...(passphrase !== undefined && { passphrase }),
    rejectUnauthorized,
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    // RFC 6066: an address is no server name.
    servername: serverName ?? (net.isIP(host) === 0 ? host : ""),
  }
}

/** The server answered, but with no WebSocket. */
function refusal(status: number, reason: string, address: string): HeddleError {
  const text = `connect to ${address}: the server answered ${status}${reason && `: ${reason}`}`
  // Nobody at this path yet, or busy: that may pass. Anything else is about who we are.
  if (status === 404) return new HeddleError("ECONNREFUSED", text, { address })
  if (status >= 500) return new HeddleError("ECONNREFUSED", text, { address })
  return new HeddleError("ERR_ZMTP_PEER_ERROR", text, { address, fatal: true })
}
