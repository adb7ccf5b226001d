import fs, { type FSWatcher } from "node:fs"
import net from "node:net"
import path from "node:path"
import { fromSystem, HeddleError } from "../../../core/errors.ts"
import type { Announcement, DiscoveryHost } from "./discovery.ts"
import { nodeOf, probe, processSeen, readEntry, removeEntry, SUFFIXES, writeEntry } from "./entry.ts"
import { forEachOf } from "./pool.ts"
import { Repeat } from "./repeat.ts"
import type { Session } from "./session.ts"
import { Warnings } from "./warnings.ts"

/** Milliseconds between looks at a folder that cannot be watched, unless it is looked at more often anyway. */
const UNWATCHED = 1_000
/**
 * A node whose process seems to be there is connected to once in so many looks: the number may be another's by now. Not
 * each time, for the node accepts what connects, and each of N nodes asks all others.
 */
const LOOKS_A_PROBE = 12
/** Files are read and sockets probed so many at a time. */
const AT_ONCE = 16
/**
 * Milliseconds after which changes are looked at: who comes in dials us at once, and is linked by then; many who come together are
 * one look.
 */
const GLANCE = 100
/** Milliseconds within which a folder may change twice and show the same time: some file systems count whole seconds. */
const GRAIN = 2_000
/** File names looked at in one go for each node that may be known: three files a node, and some that are not ours. */
const NAMES_A_NODE = 4
/** Malformed announcements that are remembered, to warn of each once. */
const MAX_MALFORMED = 1_024

export interface DirectorySettings {
  /** Makes the folder, or rejects. */
  folder(): Promise<string>
  readonly rescan: number
  readonly limit: number
}

interface Known {
  readonly endpoints: readonly string[]
  readonly pid: number
  /** Whether a process of that number was there at the last look. */
  seen: boolean
  /** Looks until the node is connected to. */
  looks: number
}

/** A node's presence in the folder of its fabric, and its view of the others there. */
export class DirectorySession implements Session {
  private readonly host: DiscoveryHost
  private readonly self: Announcement
  private readonly settings: DirectorySettings
  private readonly warnings: Warnings
  private readonly repeat: Repeat
  private readonly known = new Map<string, Known>()
  /** Nodes with a socket and no announcement, and nobody listening: a process may be between the two steps. */
  private orphans = new Set<string>()
  private readonly malformed = new Set<string>()
  /** Nodes whose announcement appeared or went. */
  private changed = new Set<string>()
  private folder = ""
  /** What the folder held when it was last changed at that time; not a number when it may have changed since in the same moment. */
  private files = new Set<string>()
  private filesOf = Number.NaN
  private glancing: NodeJS.Timeout | undefined
  private announced = false
  /** When our announcement was written, by the clock of the file system. */
  private written = 0
  private stopped = false
  private full = false
  private watcher: FSWatcher | null = null
  private sign: net.Server | null = null
  private beginning: Promise<void> = Promise.resolve()
  /** One look at a time: two would judge the same node by different moments. */
  private work: Promise<void> = Promise.resolve()

  constructor(host: DiscoveryHost, self: Announcement, settings: DirectorySettings) {
    this.host = host
    this.self = self
    this.settings = settings
    this.warnings = new Warnings(error => host.warn(error))
    this.repeat = new Repeat(
      () => this.inTurn(() => this.scan()),
      () => (this.watcher === null ? Math.min(settings.rescan, UNWATCHED) : settings.rescan),
    )
  }

  begin(): Promise<void> {
    this.beginning = this.settle()
    return this.beginning
  }

  async end(): Promise<void> {
    this.stopped = true
    clearTimeout(this.glancing)
    await this.beginning.catch(() => {})
    this.watcher?.close()
    await this.repeat.stop()
    await this.work
    if (this.announced) await removeEntry(this.folder, this.self.node).catch(error => this.failed(error))
    const { sign } = this
    if (sign !== null) await new Promise(resolve => sign.close(resolve))
  }

  private async settle(): Promise<void> {
    this.folder = await this.settings.folder()
    if (this.stopped) return
    try {
      await this.showLife()
      // From here on there is something to remove.
      this.announced = true
      await this.announce()
    } catch (error) {
      throw fromSystem(error, "To announce the node in", this.folder)
    }
    // Watched before it is looked at, so that nothing falls between.
    this.watch()
    if (!this.stopped) await this.repeat.now()
  }

  /** The socket by which others see that the node lives. A node that listens elsewhere gets one that serves nothing else. */
  private async showLife(): Promise<void> {
    const file = this.file(SUFFIXES.socket)
    if (this.self.endpoints.includes(`ipc://${file}`)) {
      if (fs.existsSync(file)) return
      throw new HeddleError(
        "EINVAL",
        `The node announces ${file} and does not listen there; listen first, then start`,
        {
          address: file,
        },
      )
    }
    const sign = net.createServer(connection => connection.destroy()).unref()
    this.sign = sign
    await new Promise<void>((resolve, reject) => {
      sign.once("error", reject)
      // Exclusive: in a worker of a cluster, the primary process would listen, and outlive us.
      sign.listen({ path: file, exclusive: true }, resolve)
    })
    // An accept that fails (no descriptors left) is no reason to die.
    sign.on("error", error => this.failed(error))
  }

  private async announce(): Promise<void> {
    this.written = await writeEntry(this.folder, { ...this.self, pid: process.pid })
  }

  private watch(): void {
    try {
      this.watcher = fs.watch(this.folder, { persistent: false }, (_, file) => this.noticed(file))
      this.watcher.on("error", error => {
        this.watcher?.close()
        this.watcher = null
        this.failed(error)
      })
    } catch (error) {
      this.host.warn(
        fromSystem(
          error,
          `New nodes are found within ${UNWATCHED} ms, not at once: the system cannot watch`,
          this.folder,
        ),
      )
    }
  }

  private noticed(file: string | null): void {
    if (this.stopped) return
    if (file === null || this.changed.size >= this.settings.limit) {
      void this.repeat.now()
      return
    }
    const node = nodeOf(file)
    if (node === null || !file.endsWith(SUFFIXES.announcement)) return
    this.changed.add(node)
    if (this.changed.size > 1) return
    this.glancing = setTimeout(() => void this.inTurn(() => this.glance()), GLANCE)
    this.glancing.unref()
  }

  private inTurn(look: () => Promise<void>): Promise<void> {
    this.work = this.work.then(async () => {
      if (this.stopped) return
      try {
        await look()
        this.warnings.settled()
      } catch (error) {
        this.failed(error)
      }
    })
    return this.work
  }

  private failed(error: unknown): void {
    this.warnings.trouble(fromSystem(error, "Discovery in the folder", this.folder))
  }

  /** Looks at what changed. */
  private async glance(): Promise<void> {
    const { changed } = this
    this.changed = new Set()
    await this.each(changed, async node => {
      if (node === this.self.node) {
        if (!fs.existsSync(this.file(SUFFIXES.announcement))) await this.announce()
      } else if (this.host.linked?.(node) === true) return
      else if (!this.known.has(node)) await this.meet(node, true)
      else if (!fs.existsSync(path.join(this.folder, node + SUFFIXES.announcement))) await this.miss(node)
    })
  }

  /** Looks at everything. */
  private async scan(): Promise<void> {
    const files = await this.list()
    if (!files.has(this.file(SUFFIXES.announcement))) await this.announce()
    const nodes = new Set([...files].map(file => nodeOf(path.basename(file)) ?? this.self.node))
    nodes.delete(this.self.node)
    for (const node of nodes) if (this.host.linked?.(node) === true) nodes.delete(node)
    const orphans = new Set<string>()
    await this.each(nodes, async node => {
      if (!files.has(path.join(this.folder, node + SUFFIXES.announcement))) {
        if (this.known.has(node)) await this.miss(node)
        else if (!(await this.bury(node))) orphans.add(node)
      } else if (this.known.has(node)) await this.revisit(node)
      else await this.meet(node, false)
    })
    this.orphans = orphans
    await this.each(
      [...this.known.keys()].filter(node => !nodes.has(node) && this.host.linked?.(node) !== true),
      node => this.miss(node),
    )
  }

  /** The files there, by their paths; not more than belong to the nodes that may be known. */
  private async list(): Promise<Set<string>> {
    const { mtimeMs } = await fs.promises.stat(this.folder)
    if (mtimeMs === this.filesOf) return this.files
    const files = new Set<string>()
    for await (const { name } of await fs.promises.opendir(this.folder)) {
      files.add(path.join(this.folder, name))
      if (files.size >= this.settings.limit * NAMES_A_NODE) {
        this.overfull()
        break
      }
    }
    this.files = files
    this.filesOf = Math.abs(Date.now() - mtimeMs) > GRAIN ? mtimeMs : Number.NaN
    return files
  }

  private overfull(): void {
    if (this.full) return
    this.full = true
    this.host.warn(
      new HeddleError(
        "EMFILE",
        `${this.folder} holds more than ${this.settings.limit} nodes; the others are ignored: raise the option limit, or use several fabrics`,
        { address: this.folder },
      ),
    )
  }

  /** A node that we did not know. `fresh`: its announcement has just been written. */
  private async meet(node: string, fresh: boolean): Promise<void> {
    if (this.known.size >= this.settings.limit) return this.overfull()
    const entry = await readEntry(this.folder, node, this.self.fabric)
    if (entry === "gone") return
    if (entry instanceof Error) return this.ignore(node, entry)
    const { endpoints, pid, written } = entry
    const seen = processSeen(pid)
    if (!fresh && !seen && (await probe(this.folder, node)) !== "listens") {
      await removeEntry(this.folder, node)
      return
    }
    // Others were read at the same time.
    if (this.known.size >= this.settings.limit) return this.overfull()
    // Spread, so that not all nodes are connected to in the same look.
    this.known.set(node, { endpoints, pid, seen, looks: 1 + Math.floor(Math.random() * LOOKS_A_PROBE) })
    if (this.stopped) return
    // Some file systems count in steps of milliseconds or seconds.
    const older = written === this.written ? node > this.self.node : written < this.written
    this.host.found({ endpoints, node, older })
  }

  private async ignore(node: string, cause: Error): Promise<void> {
    if ((await probe(this.folder, node)) === "stale") return removeEntry(this.folder, node)
    if (this.malformed.has(node) || this.malformed.size >= MAX_MALFORMED) return
    this.malformed.add(node)
    const file = path.join(this.folder, node + SUFFIXES.announcement)
    this.host.warn(
      new HeddleError("EPROTO", `The announcement ${file} is ignored: ${cause.message}; remove it if nobody uses it`, {
        cause,
        address: file,
      }),
    )
  }

  /** A node that was there at an earlier look, and whose announcement still is. */
  private async revisit(node: string): Promise<void> {
    const one = this.known.get(node)
    if (one === undefined) return
    const seen = processSeen(one.pid)
    const doubtful = (one.seen && !seen) || --one.looks <= 0
    one.seen = seen
    if (doubtful) {
      one.looks = LOOKS_A_PROBE
      if ((await probe(this.folder, node)) !== "listens") return this.lose(node)
    }
    if (!this.stopped) this.host.found({ endpoints: one.endpoints, node })
  }

  /** A node whose announcement is gone; it writes a new one when somebody else has removed it. */
  private async miss(node: string): Promise<void> {
    if ((await probe(this.folder, node)) !== "listens") await this.lose(node)
  }

  private async lose(node: string): Promise<void> {
    this.known.delete(node)
    if (!this.stopped) this.host.lost(node)
    await removeEntry(this.folder, node)
  }

  /** What is left of a node that never announced itself. False = it is too early to tell. */
  private async bury(node: string): Promise<boolean> {
    if ((await probe(this.folder, node)) === "listens") return true
    if (!this.orphans.has(node)) return false
    await removeEntry(this.folder, node)
    return true
  }

  private each(nodes: Iterable<string>, look: (node: string) => Promise<void>): Promise<void> {
    return forEachOf(nodes, AT_ONCE, async node => {
      if (!this.stopped) await look(node)
    })
  }

  private file(suffix: string): string {
    return path.join(this.folder, this.self.node + suffix)
  }
}
