import path from "node:path"
import { integer } from "../../../core/options.ts"
import { DirectorySession } from "./directory-session.ts"
import type { Discovery } from "./discovery.ts"
import { SUFFIXES } from "./entry.ts"
import { makeFolder } from "./folder.ts"
import { SessionDiscovery } from "./session.ts"

export interface DirectoryOptions {
  /**
   * The folder that holds one folder for each fabric. Default: `$HEDDLE_DIR`, otherwise `$XDG_RUNTIME_DIR/heddle`,
   * otherwise `heddle-<uid>` in the folder for temporary files (on macOS in `/tmp`). Not one that several machines share (NFS): the sockets
   * in it work on one machine only. Containers of one machine may share it.
   */
  readonly path?: string
  /** Milliseconds between looks at the whole folder, which find what watching it misses; at least 10. Default 5,000. */
  readonly rescan?: number
  /** Nodes that are kept in mind; more are ignored, with a warning. Default 4,096. */
  readonly limit?: number
}

const RESCAN = integer(5_000, { min: 10, unit: "milliseconds" })
const LIMIT = integer(4_096, { min: 1, max: 1_000_000 })

/**
 * The processes of this user on this machine find one another in a folder: each node has a Unix socket and an
 * announcement (JSON) there. What killed processes leave behind is removed by the others. The empty folder stays.
 *
 * `endpoint` and `start` reject with EACCES when others could put something into the folder, ENAMETOOLONG when its path
 * is too long for sockets, ENOTSUP on Windows.
 */
export function directory(options: DirectoryOptions = {}): Discovery {
  const rescan = RESCAN.check(options.rescan ?? RESCAN.initial, "rescan")
  const limit = LIMIT.check(options.limit ?? LIMIT.initial, "limit")
  return new DirectoryDiscovery(options.path, rescan, limit)
}

class DirectoryDiscovery extends SessionDiscovery implements Discovery {
  private readonly path: string | undefined

  constructor(given: string | undefined, rescan: number, limit: number) {
    super(
      "directory",
      (host, self) => new DirectorySession(host, self, { folder: () => makeFolder(given, self.fabric), rescan, limit }),
    )
    this.path = given
  }

  async endpoint(fabric: string, node: string): Promise<string> {
    return `ipc://${path.join(await makeFolder(this.path, fabric), node + SUFFIXES.socket)}`
  }
}
