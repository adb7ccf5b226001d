import fs from "node:fs"

/** The text of a file of /proc or /sys without its ends; null where there is none, or we may not read it. */
export function systemText(path: string): string | null {
  try {
    return fs.readFileSync(path, "utf8").trim()
  } catch {
    return null
  }
}

/** The same for a file that is one whole number. */
export function systemNumber(path: string): number | null {
  const text = systemText(path)
  return text !== null && /^\d+$/.test(text) ? Number(text) : null
}
