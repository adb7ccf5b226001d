import { HeddleError } from "../../core/errors.ts"

/** Configurations are three or four levels deep. */
const DEEPEST = 64

/**
 * JSON.parse for files that people write: it says line and column of a mistake without quoting what stands there (it may be a
 * password), and refuses names that come twice in one object, of which JSON.parse would keep the last in silence.
 *
 * Throws ERR_CONFIG.
 */
export function parseSource(text: string, file: string): unknown {
  const scanner = new Scanner(text, file)
  scanner.document()
  return JSON.parse(text)
}

class Scanner {
  private readonly text: string
  private readonly file: string
  private at = 0

  constructor(text: string, file: string) {
    this.text = text
    this.file = file
  }

  document(): void {
    this.value(0)
    this.space()
    if (this.at < this.text.length) this.fail("something stands after the end")
  }

  private value(depth: number): void {
    if (depth > DEEPEST) this.fail("this is nested too deep")
    this.space()
    const first = this.text[this.at]
    if (first === "{") this.object(depth)
    else if (first === "[") this.array(depth)
    else if (first === '"') this.string()
    else if (!this.matches(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y)) {
      this.fail(first === undefined ? "the file ends too early" : "a value is expected here")
    }
  }

  private object(depth: number): void {
    const names = new Set<string>()
    this.at++
    if (this.next("}")) return
    do {
      this.space()
      const start = this.at
      if (this.text[this.at] !== '"') this.fail("a name in double quotes is expected here")
      const name = this.string()
      if (names.has(name)) this.fail(`"${name}" comes twice in one object`, start)
      names.add(name)
      if (!this.next(":")) this.fail('":" is expected here')
      this.value(depth + 1)
    } while (this.next(","))
    if (!this.next("}")) this.fail('"," or "}" is expected here')
  }

  private array(depth: number): void {
    this.at++
    if (this.next("]")) return
    do this.value(depth + 1)
    while (this.next(","))
    if (!this.next("]")) this.fail('"," or "]" is expected here')
  }

  private string(): string {
    const start = this.at
    // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them within strings
    if (!this.matches(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y)) {
      this.fail('this text does not end on its line, or has an escape that JSON has not (\\" and \\\\ are some)')
    }
    return JSON.parse(this.text.slice(start, this.at)) as string
  }

  private next(char: string): boolean {
    this.space()
    if (this.text[this.at] !== char) return false
    this.at++
    return true
  }

  private matches(pattern: RegExp): boolean {
    pattern.lastIndex = this.at
    const found = pattern.test(this.text)
    if (found) this.at = pattern.lastIndex
    return found
  }

  private space(): void {
    this.matches(/[ \t\r\n]+/y)
    if (this.text.startsWith("//", this.at) || this.text.startsWith("/*", this.at)) this.fail("JSON has no comments")
  }

  private fail(what: string, at = this.at): never {
    const before = this.text.slice(0, at).split("\n")
    const place = `line ${before.length}, column ${before[before.length - 1].length + 1}`
    throw new HeddleError("ERR_CONFIG", `${this.file} is no JSON: ${what} (${place})`)
  }
}
