/** The module as pages load it, built as package.json says. */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

/** The sources lie two folders above the compiled test: dist/tests/browser. */
const ENTRY = fileURLToPath(new URL("../../../browser.ts", import.meta.url))

let made: Promise<string> | null = null

/** The text of the module: made once. */
export function browserModule(): Promise<string> {
  made ??= (async () => {
    if (!existsSync(ENTRY)) throw new Error(`${ENTRY} is not there`)
    const { outputFiles } = await build({
      entryPoints: [ENTRY],
      bundle: true,
      minify: true,
      platform: "browser",
      format: "esm",
      target: "es2022",
      write: false,
      logLevel: "error",
    })
    return outputFiles[0].text
  })()
  return made
}
