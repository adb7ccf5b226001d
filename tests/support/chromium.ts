/**
 * Headless Chromium for tests of pages, driven by playwright-core. Both are looked for, neither is required: a suite that needs them calls
 * `chromiumOrSkip` in its `before` hook, which says in one line what is missing.
 */
import fs from "node:fs"
import path from "node:path"
import type { Browser } from "playwright-core"

/** By these names distributions and vendors install it. */
const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]

/** Where it lies on systems that do not put it into PATH. */
const PLACES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
]

const FLAGS = [
  // Tests run as root in containers, where its own sandbox cannot.
  "--no-sandbox",
  "--disable-gpu",
  // Nothing that goes out, and nothing that comes and goes by itself.
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // /dev/shm of containers is small.
  "--disable-dev-shm-usage",
]

/** The program: CHROMIUM_PATH, or what is found by the usual names; null = there is none. */
export function findChromium(): string | null {
  const { CHROMIUM_PATH: given, PATH = "" } = process.env
  if (given !== undefined && given !== "") return isProgram(given) ? given : null
  const inPath = PATH.split(path.delimiter).flatMap(folder => NAMES.map(name => path.join(folder, name)))
  return [...inPath, ...PLACES].find(isProgram) ?? null
}

function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return fs.statSync(file).isFile()
  } catch {
    return false
  }
}

/** Starts it, in a fresh profile; null = playwright-core or Chromium is not there. The caller closes it (`after`). */
export async function startChromium(): Promise<Browser | null> {
  const executablePath = findChromium()
  if (executablePath === null) return null
  const playwright = await import("playwright-core").catch(() => null)
  if (playwright === null) return null
  return playwright.chromium.launch({ executablePath, headless: true, args: FLAGS })
}

/** For a `before` hook: the browser, or the suite is skipped with a line that says why. */
export async function chromiumOrSkip(context: Mocha.Context): Promise<Browser> {
  const browser = await startChromium()
  if (browser === null) {
    process.stdout.write("    (skipped: no Chromium or no playwright-core; CHROMIUM_PATH names a program)\n")
    return context.skip()
  }
  return browser
}
