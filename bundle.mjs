/**
 * What `npm run build` makes of the compiled modules: one file for each front door, with what they share in chunks; the
 * module for pages; and the page of `heddle top --web`. Nothing here is needed to run the tests of single modules.
 */
import fs from "node:fs"
import { build } from "esbuild"

fs.rmSync("dist/chunks", { recursive: true, force: true })

const node = build({
  entryPoints: {
    heddle: "dist/index.js",
    "heddle-bridge-kafka": "dist/bridge-kafka/index.js",
    "heddle-testing": "dist/testing.js",
  },
  bundle: true,
  splitting: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20.19",
  sourcemap: true,
  outdir: "dist",
  chunkNames: "chunks/[name]-[hash]",
  logLevel: "warning",
})

/** Pages have no packages: everything is in it. */
const browser = build({
  entryPoints: { "heddle-browser": "dist/browser.js" },
  bundle: true,
  minify: true,
  platform: "browser",
  format: "esm",
  target: "es2022",
  sourcemap: true,
  outdir: "dist",
  logLevel: "warning",
})

const page = build({
  entryPoints: ["main.ts", "style.css", "index.html"].map(name => `cli/web/page/${name}`),
  bundle: true,
  minify: true,
  format: "esm",
  // light-dark() of CSS is of 2024.
  target: ["chrome123", "firefox120", "safari17.5"],
  loader: { ".html": "copy" },
  outdir: "dist/cli/web/page",
  logLevel: "warning",
})

await Promise.all([node, browser, page])
