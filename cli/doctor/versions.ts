import { createRequire } from "node:module"
import { version } from "heddle"
import { check } from "./check.ts"
import { type Finding, fail, ok, warn } from "./finding.ts"

export interface VersionFacts {
  heddle: string
  runtime: "Node" | "Bun" | "Deno"
  version: string
  /** Of Node that Heddle asks for, as its package.json says: ">=20.19.0". */
  wanted: string
  platform: string
  arch: string
}

export const versions = check<VersionFacts>({
  name: "versions",
  about: "Heddle, and the runtime it is in",
  read() {
    const { node, bun, deno } = process.versions
    const manifest = createRequire(import.meta.resolve("heddle/package.json"))("heddle/package.json")
    const [runtime, own] = bun ? (["Bun", bun] as const) : deno ? (["Deno", deno] as const) : (["Node", node] as const)
    const wanted = (manifest as { engines: { node: string } }).engines.node
    return { heddle: version, runtime, version: own, wanted, platform: process.platform, arch: process.arch }
  },
  judge: judgeVersions,
})

export function judgeVersions(facts: VersionFacts): Finding[] {
  const least = facts.wanted.replace(/^>=/, "")
  const findings = [ok("heddle", facts.heddle)]
  if (facts.runtime !== "Node") {
    findings.push(
      warn(
        "runtime",
        `${facts.runtime} ${facts.version}`,
        "What is tested most is Node: docs/platforms.md says what falls back here.",
      ),
    )
  } else if (compare(facts.version, least) < 0) {
    findings.push(fail("runtime", `Node ${facts.version}`, `Heddle needs Node ${least} or newer: https://nodejs.org`))
  } else {
    findings.push(ok("runtime", `Node ${facts.version}`))
  }
  const system = `${facts.platform} ${facts.arch}`
  if (facts.platform === "linux") findings.push(ok("system", system))
  else if (facts.platform === "win32")
    findings.push(
      warn("system", system, "No ipc:// and no discovery by folder here: use tcp:// and seeds or multicast."),
    )
  else findings.push(warn("system", system, "No native addon here: ipc:// and udp:// work without it, slower."))
  return findings
}

/** Negative when version `a` is older than `b`. What follows a hyphen does not count. */
function compare(a: string, b: string): number {
  const parts = (text: string): number[] => text.split("-")[0].split(".").map(Number)
  const other = parts(b)
  for (const [at, part] of parts(a).entries()) if (part !== (other[at] ?? 0)) return part - (other[at] ?? 0)
  return 0
}
