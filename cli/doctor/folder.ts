import { randomUUID } from "node:crypto"
import fs from "node:fs"
import net from "node:net"
import path from "node:path"
import { directory, type Fabric, join } from "heddle"
import { bytes, plural } from "../units.ts"
import { check, messageOf } from "./check.ts"
import { type Finding, fail, ok, warn } from "./finding.ts"

export interface FolderFacts {
  /** Of all fabrics of this user; null where it cannot be made. */
  folder: string | null
  /** Why two nodes did not find one another there, with the code of the error; null = they did. */
  failure: { readonly code: string; readonly text: string } | null
  /** Milliseconds until they had. */
  took: number
  free: number
  /** Bytes of the longest path of a socket there, for a name of a fabric that is long. */
  longest: number
  /** Sockets of processes that are gone. */
  stale: readonly string[]
}

export const folder = check<FolderFacts>({
  name: "folder",
  about: "the folder in which nodes of this machine find one another",
  read,
  judge: judgeFolder,
})

/** Milliseconds for two nodes to find one another. */
const PATIENCE = 8_000
/** A folder name of 24 characters, two slashes, a node id of 22, ".sock". */
const BELOW_BASE = 1 + 24 + 1 + 22 + 5
/** `sun_path`, without the final zero. */
const MOST = process.platform === "darwin" ? 103 : 107
/** Sockets that are tried. */
const MOST_TRIED = 200

async function read(): Promise<FolderFacts> {
  const name = `doctor-${randomUUID().slice(0, 8)}`
  const nodes: Fabric[] = []
  const began = performance.now()
  let base: string | null = null
  let failure: FolderFacts["failure"] = null
  try {
    for (const node of ["first", "second"]) nodes.push(await join(name, { name: node, discovery: [directory()] }))
    const file = nodes[0].endpoints.find(one => one.startsWith("ipc://"))?.slice("ipc://".length)
    if (file !== undefined) base = path.dirname(path.dirname(file))
    await nodes[0].ready({ peers: 1, timeout: PATIENCE })
  } catch (error) {
    failure = { code: (error as NodeJS.ErrnoException).code ?? "", text: messageOf(error) }
  }
  const took = performance.now() - began
  await Promise.all(nodes.map(node => node.close()))
  if (base === null) return { folder: null, failure, took, free: 0, longest: 0, stale: [] }
  fs.rmSync(path.join(base, name), { recursive: true, force: true })
  const { bavail, bsize } = fs.statfsSync(base)
  const longest = Buffer.byteLength(base) + BELOW_BASE
  return { folder: base, failure, took, free: bavail * bsize, longest, stale: await staleSockets(base) }
}

async function staleSockets(base: string): Promise<string[]> {
  const sockets = fs
    .readdirSync(base, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .flatMap(({ name }) => socketsOf(path.join(base, name)))
    .slice(0, MOST_TRIED)
  const gone = await Promise.all(sockets.map(refuses))
  return sockets.filter((_, at) => gone[at])
}

function socketsOf(folder: string): string[] {
  try {
    return fs
      .readdirSync(folder)
      .filter(name => name.endsWith(".sock"))
      .map(name => path.join(folder, name))
  } catch {
    // Removed meanwhile.
    return []
  }
}

/** Nobody listens there: the system closes all that a process listens at. */
function refuses(file: string): Promise<boolean> {
  return new Promise(resolve => {
    const connection = net.connect(file)
    connection.once("connect", () => {
      connection.destroy()
      resolve(false)
    })
    connection.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNREFUSED"))
  })
}

/** Bytes: announcements are a few hundred each. */
const LITTLE_SPACE = 1024 * 1024

export function judgeFolder(facts: FolderFacts): Finding[] {
  const { folder: base, failure } = facts
  const name = "discovery folder"
  if (failure?.code === "ENOTSUP") {
    return [warn(name, "not on this system", "Use multicast or seeds: join(name, { discovery: [multicast()] })")]
  }
  if (failure !== null) {
    const commands = ["$ export HEDDLE_DIR=/tmp/heddle-$USER          (the same for all that shall find one another)"]
    if (failure.code === "ETIMEDOUT") {
      return [
        fail(
          name,
          `${base}: two nodes did not find one another in ${PATIENCE / 1000} s`,
          "Is it a network file system? It must be one of this machine.",
          ...commands,
        ),
      ]
    }
    return [fail(name, failure.text, "Nodes on this machine find one another there by default.", ...commands)]
  }
  const findings = [ok(name, `${base}: two nodes found one another in ${facts.took.toFixed(0)} ms`)]
  if (facts.longest > MOST) {
    findings.push(
      warn(
        "path length",
        `${facts.longest} bytes with the longest name of a fabric, a Unix socket takes ${MOST}`,
        "Fabrics with long names cannot be joined here (ENAMETOOLONG).",
        "$ export HEDDLE_DIR=/tmp/heddle-$USER",
      ),
    )
  }
  if (facts.free < LITTLE_SPACE)
    findings.push(
      warn("space", `${bytes(facts.free)} free`, "Announcements of nodes are files: make room.", `$ df -h ${base}`),
    )
  if (facts.stale.length > 0) {
    findings.push(
      warn(
        "left behind",
        `${plural(facts.stale.length, "socket")} of processes that were killed`,
        "Harmless: the next node that joins that fabric removes them. By hand:",
        `$ rm -f ${facts.stale.slice(0, 3).join(" ")}`,
      ),
    )
  }
  return findings
}
