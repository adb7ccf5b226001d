import { execFile, execFileSync } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

/** The folder of package.json: compiled tests lie in a folder below it, whatever its name. */
export const ROOT = path.dirname(path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url)))))
export const FIXTURE = path.join(ROOT, "tests/kafka/fixture")
/** Kept between runs, and out of what a build throws away. */
const CACHE = path.join(ROOT, "node_modules/.cache/heddle-kafka")

/** Enough for 60 MB over a slow line (milliseconds); a mirror that hangs must not hang the tests for ever. */
const FETCH_TIMEOUT = 240_000

/** Kafka 4 brokers need it. */
const LEAST_JAVA = 17

/** Why there can be no broker of our own, or null. */
export function whyNoJava(): string | null {
  let text: string
  try {
    text = execFileSync("sh", ["-c", "java -version 2>&1"], { encoding: "utf8" })
  } catch {
    return "java is not there"
  }
  const version = Number(/version "(\d+)/.exec(text)?.[1] ?? 0)
  return version < LEAST_JAVA ? `java is of version ${version}, ${LEAST_JAVA} is needed` : null
}

/**
 * The class path of a pom's dependencies, fetched by Maven when it is asked for first. The property `kafka.versions` of
 * the pom names versions of `kafka.version` to try in order; the first that is cached or can be had is taken.
 * Rejects with Maven's words. `name`: the folder of the cache.
 */
export async function fetchJars(pom = path.join(FIXTURE, "pom.xml"), name = "broker"): Promise<string> {
  const text = fs.readFileSync(pom, "utf8")
  const versions = (/<kafka\.versions>([^<]+)</.exec(text)?.[1] ?? "").split(/\s+/).filter(word => word !== "")
  const folders = versions.map(version => path.join(CACHE, `${name}-${version}`))
  const there = folders.find(folder => fs.existsSync(folder))
  if (there !== undefined) return path.join(there, "*")

  let failure = "the pom names no kafka.versions"
  for (const [index, version] of versions.entries()) {
    fs.mkdirSync(CACHE, { recursive: true })
    const work = fs.mkdtempSync(path.join(CACHE, "fetching-"))
    try {
      fs.copyFileSync(pom, path.join(work, "pom.xml"))
      await promisify(execFile)("mvn", ["-q", "-B", `-Dkafka.version=${version}`, "package"], {
        cwd: work,
        timeout: FETCH_TIMEOUT,
      })
      // Whoever is first wins: several runs may fetch at once.
      if (!fs.existsSync(folders[index])) fs.renameSync(path.join(work, "target/lib"), folders[index])
      return path.join(folders[index], "*")
    } catch (error) {
      const { stdout = "", message } = error as { stdout?: string; message: string }
      failure = (/\[ERROR\] ([^\n]*)/.exec(stdout)?.[1] ?? message).slice(0, 300)
    } finally {
      fs.rmSync(work, { recursive: true, force: true })
    }
  }
  throw new Error(failure)
}
