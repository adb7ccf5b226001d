import { badMapping } from "../mapping/failure.ts"

/**
 * The names of a path (KIP-821): `V1` takes the text as one name; in `V2` dots lead into nested objects, and a name with dots stands in
 * backticks, in which a backslash goes before a backtick that is followed by a dot or the end. Throws ERR_CONFIG.
 */
export function parseFieldPath(text: string, version: "V1" | "V2"): readonly string[] {
  if (version === "V1") return [text]
  const names: string[] = []
  for (let at = 0; ; ) {
    let end: number
    if (text[at] === "`") {
      end = at + 1
      while (end < text.length && !(text[end] === "`" && text[end - 1] !== "\\" && endsName(text, end + 1))) end++
      if (end === text.length)
        throw badMapping(`The field ${JSON.stringify(text)} has a backtick at index ${at} that is not closed`)
      names.push(text.slice(at + 1, end).replaceAll("\\`", "`"))
      end++
    } else {
      end = text.indexOf(".", at)
      if (end === -1) end = text.length
      names.push(text.slice(at, end))
    }
    if (end === text.length) return names
    at = end + 1
  }
}

function endsName(text: string, at: number): boolean {
  return at === text.length || text[at] === "."
}
