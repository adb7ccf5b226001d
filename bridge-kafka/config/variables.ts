import { readFileSync, statSync } from "node:fs"
import path from "node:path"
import { parseProperties } from "./properties-file.ts"
import { didYouMean } from "./suggestion.ts"

/** Secrets are short; a device or a log that somebody named by mistake is not read. */
const LARGEST_FILE = 1024 * 1024

/** Shorter values are no secrets, and to take every "1" out of a text would make it unreadable. */
const SHORTEST_SECRET = 4

/** `$${` stays: it is how templates write `${`. `${name:-default}` belongs to templates, and `${subject}` too. */
const VARIABLE = /\$\$\{|\$\{([A-Za-z]+):(?!-)([^}]*)\}/g

/**
 * Puts values into text: `${env:NAME}` from the environment, `${file:/path:key}` from a file of Java properties (a
 * relative path counts from `folder`). What was put in is not searched again.
 */
export class Variables {
  private readonly environment: Readonly<Record<string, string | undefined>>
  private readonly folder: string
  private readonly files = new Map<string, ReadonlyMap<string, string> | string>()
  /** What was put in, and how it was written. */
  private readonly shown = new Map<string, string>()

  constructor(environment: Readonly<Record<string, string | undefined>> = process.env, folder = ".") {
    this.environment = environment
    this.folder = folder
  }

  /** The text with values in place; `complain` gets what is wrong, and never a value. */
  resolve(text: string, complain: (problem: string) => void): string {
    if (!text.includes("${")) return text
    return text.replace(VARIABLE, (whole: string, provider: string | undefined, rest: string) => {
      if (provider === undefined) return whole
      if (provider === "env") return this.remember(whole, this.fromEnvironment(rest, complain))
      if (provider === "file") return this.remember(whole, this.fromFile(rest, complain))
      const offer = didYouMean(provider, ["env", "file"])
      complain(`\${${provider}:…} is not known, use \${env:NAME} or \${file:/path:key}${offer}`)
      return ""
    })
  }

  /** The text with each value that was put in as it was written: a secret may have become part of a name. */
  conceal(text: string): string {
    const longestFirst = [...this.shown].sort(([a], [b]) => b.length - a.length)
    for (const [value, written] of longestFirst) text = text.replaceAll(value, () => written)
    return text
  }

  private remember(written: string, value: string): string {
    if (value.length >= SHORTEST_SECRET) this.shown.set(value, written)
    return value
  }

  private fromEnvironment(name: string, complain: (problem: string) => void): string {
    const value = this.environment[name]
    if (value !== undefined) return value
    complain(`the environment variable ${name === "" ? "(no name)" : name} is not set`)
    return ""
  }

  private fromFile(rest: string, complain: (problem: string) => void): string {
    // The last colon: a path may have some, the names of properties seldom do.
    const colon = rest.lastIndexOf(":")
    if (colon <= 0) {
      complain(`\${file:${rest}} names no key, write \${file:/path:key}`)
      return ""
    }
    const file = path.resolve(this.folder, rest.slice(0, colon))
    const key = rest.slice(colon + 1)
    const content = this.read(file)
    if (typeof content === "string") {
      complain(`\${file:${rest}}: ${content}`)
      return ""
    }
    const value = content.get(key)
    if (value === undefined) complain(`the file ${file} has no key "${key}"${didYouMean(key, content.keys())}`)
    return value ?? ""
  }

  private read(file: string): ReadonlyMap<string, string> | string {
    const known = this.files.get(file)
    if (known !== undefined) return known
    const content = load(file)
    this.files.set(file, content)
    return content
  }
}

/** The properties, or why they cannot be had. */
function load(file: string): ReadonlyMap<string, string> | string {
  try {
    const found = statSync(file)
    if (!found.isFile()) return `${file} is no file`
    if (found.size > LARGEST_FILE) return `${file} has ${found.size} bytes, at most ${LARGEST_FILE} are read`
    return parseProperties(readFileSync(file, "utf8"))
  } catch (error) {
    return `cannot be read: ${(error as NodeJS.ErrnoException).code ?? "unknown error"}`
  }
}
