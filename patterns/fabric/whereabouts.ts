import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { randomToken } from "./tokens.ts"

/** Equal for all fabrics of this process, and for no other. */
export const processToken = randomToken()

/**
 * Equal for processes that see one another's process ids: the host's name, when it started, and on Linux the namespace
 * of process ids, which containers do not share.
 */
export function hostToken(): string {
  let boot = ""
  let namespace = ""
  try {
    boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
    namespace = fs.readlinkSync("/proc/self/ns/pid")
  } catch {
    // Not Linux, or hidden: the name must do.
  }
  return [os.hostname(), boot, namespace].join(" ").slice(0, 256)
}

/** For people: the program's file. */
export function programName(): string {
  const file = process.argv[1]
  return (file === undefined ? "node" : path.basename(file).replace(/\.[cm]?[jt]s$/, "")).slice(0, 256)
}

/** A listener on all addresses is reached at each of them: peers need one that exists. */
export function reachable(endpoint: string): string[] {
  const match = /^(tcp:\/\/)(0\.0\.0\.0|\[::\]|\*)(:\d+)$/.exec(endpoint)
  if (match === null) return [endpoint]
  const six = match[2] === "[::]"
  const addresses: string[] = []
  for (const list of Object.values(os.networkInterfaces())) {
    for (const { family, address, internal, scopeid } of list ?? []) {
      if (internal || (family === "IPv6" && (!six || scopeid !== 0))) continue
      addresses.push(family === "IPv6" ? `[${address}]` : address)
    }
  }
  addresses.push("127.0.0.1")
  // A machine with many networks: more than these would only slow a dial down.
  return addresses.slice(0, 6).map(address => match[1] + address + match[3])
}
