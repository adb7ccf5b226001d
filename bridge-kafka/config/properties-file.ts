/**
 * Reads a file of Java properties (java.util.Properties.load): `key=value`, `key: value` or `key value`, comments with `#`
 * or `!`, lines that go on after a backslash, `\n`, `\t`, `\uXXXX`. Of a key that comes twice the last counts.
 */
export function parseProperties(text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const line of logicalLines(text)) {
    const end = keyEnd(line)
    const value = line.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, "")
    found.set(unescaped(line.slice(0, end)), unescaped(value))
  }
  return found
}

function logicalLines(text: string): string[] {
  const lines: string[] = []
  let open = ""
  let goesOn = false
  for (const physical of text.split(/\r\n|\r|\n/)) {
    const line = physical.replace(/^[ \t\f]+/, "")
    if (!goesOn && (line === "" || line.startsWith("#") || line.startsWith("!"))) continue
    goesOn = /(?:^|[^\\])(?:\\\\)*\\$/.test(line)
    open += goesOn ? line.slice(0, -1) : line
    if (goesOn) continue
    if (open !== "") lines.push(open)
    open = ""
  }
  if (open !== "") lines.push(open)
  return lines
}

function keyEnd(line: string): number {
  for (let at = 0; at < line.length; at++) {
    if (line[at] === "\\") at++
    else if (" \t\f=:".includes(line[at])) return at
  }
  return line.length
}

const LETTERS: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", f: "\f" }

function unescaped(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, hex: string | undefined, letter: string) =>
    hex === undefined ? (LETTERS[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
