import { createRequire } from "node:module"
import path from "node:path"
import { check, messageOf } from "./check.ts"
import { type Finding, ok, warn } from "./finding.ts"

export interface PackageFacts {
  name: string
  /** As Heddle's package.json asks for it. */
  wanted: string
  /** Null = not installed. */
  version: string | null
  /** Why it does not load; null = it does. */
  failure: string | null
}

export const packages = check<readonly PackageFacts[]>({
  name: "packages",
  about: "optional packages",
  async read() {
    const require = createRequire(import.meta.resolve("heddle/package.json"))
    const { peerDependencies } = require("heddle/package.json") as { peerDependencies: Record<string, string> }
    const found: PackageFacts[] = []
    for (const [name, wanted] of Object.entries(peerDependencies)) {
      const version = installedVersion(name, require)
      found.push({ name, wanted, version, failure: version === null ? null : await loadFailure(name) })
    }
    return found
  },
  judge: judgePackages,
})

/** Read from its folder, for most packages do not export their package.json. */
function installedVersion(name: string, require: NodeJS.Require): string | null {
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return String((require(path.join(folder, name, "package.json")) as { version?: unknown }).version)
    } catch {
      // Not there: one folder up.
    }
  }
  return null
}

async function loadFailure(name: string): Promise<string | null> {
  try {
    await import(name)
    return null
  } catch (error) {
    return messageOf(error).split("\n")[0]
  }
}

/** What is missed without them. */
const PURPOSES: Readonly<Record<string, string>> = {
  "@platformatic/kafka": "bridge to Kafka",
  ajv: "JSON Schema in the bridge",
  avsc: "Avro in the bridge",
  protobufjs: "Protobuf in the bridge",
  "uWebSockets.js": "many WebSocket clients",
  ws: "WebSocket",
}

export function judgePackages(facts: readonly PackageFacts[]): Finding[] {
  return facts.map(({ name, wanted, version, failure }) => {
    const purpose = PURPOSES[name] ?? "optional"
    if (version === null) return ok(name, `not installed (${purpose})`)
    if (failure === null) return ok(name, version)
    const again = `$ npm install ${wanted === "*" ? name : `'${name}@${wanted}'`}`
    return warn(
      name,
      `${version} does not load: ${failure}`,
      `It is for: ${purpose}. Install it for this runtime:`,
      again,
    )
  })
}
