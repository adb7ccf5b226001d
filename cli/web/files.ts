import { readFileSync } from "node:fs"
import { CommandError } from "../exit.ts"

export interface PageFile {
  readonly type: string
  readonly bytes: Buffer
}

const TYPES: Readonly<Record<string, string>> = {
  "/index.html": "text/html; charset=utf-8",
  "/style.css": "text/css; charset=utf-8",
  "/main.js": "text/javascript; charset=utf-8",
}

/** The page, as the build has made it of cli/web/page/, by path. Read once. Throws a `CommandError` when it is not there. */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  try {
    return new Map(
      Object.entries(TYPES).map(([path, type]) => [
        path,
        { type, bytes: readFileSync(new URL(`page${path}`, import.meta.url)) },
      ]),
    )
  } catch (error) {
    throw new CommandError(`the page was not built with this package (npm run build): ${(error as Error).message}`)
  }
}
