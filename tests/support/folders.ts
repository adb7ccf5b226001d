import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { later } from "./cleanup.ts"

/** An empty folder, removed after the test. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-test-"))
  later(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}
