import type { Subjects } from "../typed-subjects.ts"
import { ClientEvents } from "./events.ts"
import { FabricClient } from "./fabric-client.ts"
import { type ConnectOptions, invalid, settingsOf } from "./options.ts"
import { PageCodecs } from "./payload.ts"
import { Session } from "./session.ts"

/**
 * Connects to a fabric by the edge of one of its nodes: `ws://host:port` or `wss://...`; of several addresses the next one is tried where one
 * does not answer. Resolves when the connection stands. `S` maps subject patterns to payload types.
 *
 * Rejects with EINVAL, ENOTSUP (no WebSocket here), EACCES (the node wants no such client: its token, say), or ECONNREFUSED, ECONNRESET
 * or ETIMEDOUT when there was no connection within `connectTimeout`.
 */
export async function connect<S extends object = Subjects>(
  url: string | readonly string[],
  options: ConnectOptions = {},
): Promise<FabricClient<S>> {
  const urls = typeof url === "string" ? [url] : [...url]
  for (const one of urls.length === 0 ? [""] : urls) {
    if (typeof one !== "string" || !/^wss?:\/\/[^/]/.test(one))
      throw invalid(`${JSON.stringify(one)} is no address of an edge; it begins with ws:// or wss://`)
  }
  const settings = settingsOf(options)
  const codecs = new PageCodecs(options.codec ?? "msgpack", options.codecs ?? [])
  const events = new ClientEvents()
  const session = new Session(urls, settings, events)
  const fabric = new FabricClient<S>(session, settings, codecs, events)
  await session.start()
  return fabric
}
