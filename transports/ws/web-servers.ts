import { parseEndpoint } from "../../core/endpoint.ts"
import { HeddleError } from "../../core/errors.ts"
import type { WebHandlers, WebOptions, WebServer, WebServerKind, WebServers } from "../../core/web.ts"
import { bindHost, parseWebAddress } from "./address.ts"
import { loadUws, uwsProblem } from "./uws.ts"
import { webSettings } from "./web-settings.ts"
import { loadWs, noPackage } from "./ws-package.ts"

const KINDS: readonly string[] = ["uWebSockets.js", "ws"] satisfies WebServerKind[]

/**
 * Opens web servers by whichever library there is, which loads with the first: uWebSockets.js where it can, except for TLS. Of the build
 * 20.30 a secure connection breaks when both sides send much at once; so there `ws` comes first.
 */
export class LibraryWebServers implements WebServers {
  async open<Data>(href: string, options: WebOptions, handlers: WebHandlers<Data>): Promise<WebServer> {
    const endpoint = parseEndpoint(href)
    if (endpoint.scheme !== "ws" && endpoint.scheme !== "wss") {
      throw new HeddleError("EINVAL", `Invalid argument: ${href}: a web server listens at ws:// or wss://`, {
        address: href,
      })
    }
    const address = parseWebAddress(endpoint, "listen")
    const settings = webSettings(endpoint, address, bindHost(address, options.ipv6 ?? false, endpoint), options)
    const kind = options.kind ?? process.env.HEDDLE_WS
    if (kind !== undefined && kind !== "" && !KINDS.includes(kind)) {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: HEDDLE_WS or the option kind is ${kind}; it takes ${KINDS.join(" or ")}`,
      )
    }
    const { tls } = settings
    if (tls?.ca !== undefined && kind === "uWebSockets.js") {
      const text = `Operation not supported: ${href}: uWebSockets.js lets in clients that show no certificate (tls.ca); the package ws does not`
      throw new HeddleError("ENOTSUP", text, { address: href })
    }
    const ws = kind === "uWebSockets.js" || (tls === null && kind !== "ws") ? null : await loadWs()
    const uws = ws !== null || kind === "ws" || tls?.ca !== undefined ? null : loadUws()
    if (uws !== null) {
      const { UwsServer } = await import("./uws-server.ts")
      return UwsServer.listen(uws, settings, handlers)
    }
    const plain = ws ?? (kind === "uWebSockets.js" ? null : await loadWs())
    if (plain === null) throw noPackage("To listen at", href, uwsProblem())
    const { PlainServer } = await import("./plain-server.ts")
    return PlainServer.listen(plain, settings, handlers)
  }
}
