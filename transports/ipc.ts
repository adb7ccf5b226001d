import fs from "node:fs"
import net from "node:net"
import os from "node:os"
import path from "node:path"
import type {
  Connection,
  Endpoint,
  Handshake,
  LinkOptions,
  Listener,
  ListenerSink,
  Transport,
} from "../core/contract.ts"
import { fromSystem, HeddleError } from "../core/errors.ts"
import type { Addon } from "./native/addon.ts"
import { loadNative } from "./native/native.ts"
import { SharedMemoryOffer } from "./shm/offer.ts"
import { dialStream } from "./stream/stream-dialer.ts"
import { StreamListener } from "./stream/stream-listener.ts"

/** `sun_path` has 108 bytes on Linux and 104 on macOS, one for the final zero. */
const MAX_PATH = { linux: 107, others: 103 } as const

/**
 * `ipc://path`, `ipc://@abstract`, `ipc://*`: ZMTP over Unix sockets, and through shared memory where both sides have the
 * addon (shm/offer.ts).
 */
export class IpcTransport implements Transport {
  readonly scheme = "ipc"
  private readonly native: () => Addon | null
  private readonly platform: NodeJS.Platform

  /** @param native how to get the addon, when it is first needed */
  constructor(native: () => Addon | null = loadNative, platform: NodeJS.Platform = process.platform) {
    this.native = native
    this.platform = platform
  }

  /** Throws ENOTSUP where the system has no such sockets, ENAMETOOLONG, EINVAL. */
  check(endpoint: Endpoint, side: "listen" | "dial"): void {
    if (side === "dial" && endpoint.address === "*") {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: ${endpoint.href}: * is for bind; connect to the binder's lastEndpoint`,
        { address: endpoint.href },
      )
    }
    this.pathOf(endpoint.address, endpoint)
  }

  /** `*` = a new path in the temporary folder. A stale file of a dead process is replaced; a living listener is EADDRINUSE. */
  async listen(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener> {
    this.check(endpoint, "listen")
    const wildcard = endpoint.address === "*"
    const folder = wildcard ? makeTemporary() : ""
    const name = wildcard ? path.join(folder, "socket") : endpoint.address
    const file = this.pathOf(name, endpoint)
    if (!wildcard && !name.startsWith("@")) {
      // Node reports a missing folder as EACCES.
      if (!fs.existsSync(path.dirname(file))) {
        throw new HeddleError(
          "ENOENT",
          `bind to ${endpoint.href}: the folder of the path does not exist; create it first`,
          {
            address: endpoint.href,
          },
        )
      }
      await removeStale(file, endpoint)
    }
    const href = wildcard ? `ipc://${name}` : endpoint.href
    try {
      const fd = abstractSocket(this.native(), "bindAbstract", endpoint)
      // Node takes a descriptor; its types do not say so.
      const place = fd === null ? { path: file } : ({ fd } as net.ListenOptions)
      const listener = await StreamListener.listen(place, endpoint.href, local, sink, {
        endpoint: () => href,
        addressOf: () => href,
        admits: () => true,
        upgrade: () => this.rings(local.options),
      })
      return {
        endpoint: href,
        close: async () => {
          await listener.close()
          if (wildcard) removeTemporary(folder)
        },
      }
    } catch (error) {
      if (wildcard) removeTemporary(folder)
      throw error
    }
  }

  async dial(
    endpoint: Endpoint,
    local: Handshake,
    signal: AbortSignal,
    reached?: (address: string) => void,
  ): Promise<Connection> {
    const path = this.pathOf(endpoint.address, endpoint)
    const fd = abstractSocket(this.native(), "connectAbstract", endpoint)
    const options = fd === null ? { path } : { path, fd, connected: true }
    return dialStream(options, endpoint.href, local, signal, reached, this.rings(local.options))
  }

  private pathOf(name: string, { href: address }: Endpoint): string {
    const abstract = name.startsWith("@")
    // Node has pipes with names of another kind there, to which no ZeroMQ peer connects.
    if (this.platform === "win32") throw unsupported(address, "Windows has no Unix sockets for Node")
    if (abstract && this.platform !== "linux") throw unsupported(address, "only Linux has names without a path")
    const length = Buffer.byteLength(name)
    const most = this.platform === "linux" ? MAX_PATH.linux : MAX_PATH.others
    if (length > most) {
      throw new HeddleError(
        "ENAMETOOLONG",
        `${address}: the path has ${length} bytes; a Unix socket takes at most ${most}: choose a shorter one`,
        { address, fatal: true },
      )
    }
    return abstract ? `\0${name.slice(1)}` : name
  }

  /** Null where there is no addon, or the user does not want it. */
  private rings(options: LinkOptions): SharedMemoryOffer | null {
    if (options.sharedMemory === 0) return null
    const native = this.native()
    return native && new SharedMemoryOffer(native, options)
  }
}

/** Bun 1.4 takes no descriptor that is connected, but connects to abstract names without filling them up. */
const CONNECTS_EXACTLY = process.versions.bun !== undefined

function unsupported(address: string, why: string): HeddleError {
  const text = `Operation not supported: ${address}: ${why}; use tcp://127.0.0.1:*`
  return new HeddleError("ENOTSUP", text, { address, fatal: true })
}

/** Folders of `ipc://*` that still stand; a process that ends without a `close` removes them all the same. */
const temporary = new Set<string>()

function makeTemporary(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-"))
  if (temporary.size === 0) process.on("exit", removeAll)
  temporary.add(folder)
  return folder
}

function removeTemporary(folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true })
  temporary.delete(folder)
  if (temporary.size === 0) process.off("exit", removeAll)
}

function removeAll(): void {
  for (const folder of temporary) {
    try {
      fs.rmSync(folder, { recursive: true, force: true })
    } catch {
      // Nobody is left who could be told.
    }
  }
}

/**
 * A socket for an abstract name that is exactly what libzmq makes of it; null for a path, and without the addon: Node 20
 * itself fills abstract names up with zeros, and finds none but its own kind by them.
 */
function abstractSocket(
  native: Addon | null,
  join: "bindAbstract" | "connectAbstract",
  { address, href }: Endpoint,
): number | null {
  if (native === null || !address.startsWith("@")) return null
  if (join === "connectAbstract" && CONNECTS_EXACTLY) return null
  try {
    return native[join](address.slice(1))
  } catch (error) {
    throw fromSystem(error, join === "bindAbstract" ? "bind to" : "connect to", href)
  }
}

/** A killed process leaves its socket file behind, to which nobody answers. */
async function removeStale(file: string, endpoint: Endpoint): Promise<void> {
  const found = fs.statSync(file, { throwIfNoEntry: false })
  if (found === undefined) {
    // libuv reports a missing folder as EACCES.
    fs.accessSync(path.dirname(file))
    return
  }
  if (!found.isSocket()) {
    throw new HeddleError("EADDRINUSE", `${endpoint.href}: there is a file of another kind; choose another path`, {
      address: endpoint.href,
    })
  }
  if (await answers(file)) {
    throw new HeddleError("EADDRINUSE", `Address already in use: another process listens at ${endpoint.href}`, {
      address: endpoint.href,
    })
  }
  fs.rmSync(file, { force: true })
}

function answers(file: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = net.connect({ path: file })
    probe.once("connect", () => {
      probe.destroy()
      resolve(true)
    })
    probe.once("error", error => resolve((error as NodeJS.ErrnoException).code !== "ECONNREFUSED"))
  })
}
