import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { directory } from "../../patterns/fabric/discovery/directory.ts"
import { dns } from "../../patterns/fabric/discovery/dns.ts"
import { multicast } from "../../patterns/fabric/discovery/multicast.ts"
import { seeds } from "../../patterns/fabric/discovery/seeds.ts"
import { later } from "../support/cleanup.ts"
import { DnsServer } from "../support/dns-server.ts"
import { freeMulticastPort } from "../support/multicast.ts"
import { discoveryConformance } from "./discovery.ts"

/** Nobody dials in these tests, so any addresses will do. */
function addresses(): () => string {
  let last = 1
  return () => `tcp://127.0.0.${++last}:7000`
}

const NO_FILES = (): readonly string[] => []

discoveryConformance("directory", {
  announces: true,
  make: async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-test-"))
    later(() => fs.rmSync(folder, { recursive: true, force: true }))
    return {
      source: () => directory({ path: folder, rescan: 20 }),
      address: addresses(),
      files: () => {
        const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true })
        return entries.filter(one => !one.isDirectory()).map(one => one.name)
      },
    }
  },
})

discoveryConformance("multicast", {
  announces: true,
  make: async () => {
    const port = await freeMulticastPort()
    return { source: () => multicast({ port, interval: 50 }), address: addresses(), files: NO_FILES }
  },
})

discoveryConformance("seeds", {
  announces: false,
  make: async () => {
    const known = addresses()
    const all = Array.from({ length: 5 }, known)
    return { source: () => seeds(all, { retry: 20 }), address: addresses(), files: NO_FILES }
  },
})

discoveryConformance("dns", {
  announces: false,
  make: async () => {
    const server = await DnsServer.start()
    const resolver = server.resolver()
    const known: string[] = []
    server.set("shop.test", known)
    return {
      source: () => dns({ name: "shop.test", port: 7000, interval: 20, resolver }),
      address: addresses(),
      register: endpoint => known.push(new URL(endpoint.replace("tcp:", "http:")).hostname),
      files: NO_FILES,
    }
  },
})
