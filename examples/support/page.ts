/** What examples with a page need besides Heddle. */
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"

interface PageFile {
  readonly type: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
}

/** Nothing from elsewhere, and no evaluated text. */
const HEADERS = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'",
}

/**
 * What lies in the folder `page` of an example, and the module that pages import as `/heddle-browser.js`: for the option `edge.files`. Pages are written as
 * browsers take them: nothing is compiled.
 */
export function pageFiles(example: string): Record<string, PageFile> {
  // This module runs in dist/examples/support; the sources of pages stay where they are.
  const folder = fileURLToPath(new URL(`../../../examples/${example}/page/`, import.meta.url))
  const files: Record<string, PageFile> = {
    "/heddle-browser.js": fileOf(fileURLToPath(import.meta.resolve("heddle/browser"))),
  }
  for (const name of readdirSync(folder)) files[name === "index.html" ? "/" : `/${name}`] = fileOf(folder + name)
  return files
}

function fileOf(file: string): PageFile {
  return { type: TYPES[path.extname(file)], body: readFileSync(file, "utf8"), headers: HEADERS }
}

/** Where to listen: the port that the user names; 0 = any that is free. */
export function listenAt(port = "8080"): string {
  if (!/^\d{1,5}$/.test(port)) {
    console.error("usage: node main.js [PORT]    0 = any port that is free; --check = a short test of itself")
    process.exit(2)
  }
  return `ws://127.0.0.1:${port}`
}
