import { badMapping } from "../mapping/failure.ts"

type Piece = string | { readonly read: (date: Date) => number; readonly digits: number; readonly short: boolean }

const LETTERS: Readonly<Record<string, (date: Date) => number>> = {
  y: date => date.getUTCFullYear(),
  M: date => date.getUTCMonth() + 1,
  d: date => date.getUTCDate(),
  H: date => date.getUTCHours(),
  m: date => date.getUTCMinutes(),
  s: date => date.getUTCSeconds(),
  S: date => date.getUTCMilliseconds(),
}

/**
 * The part of Java's SimpleDateFormat that makes numbers: y M d H m s S, each letter's count being the least number of digits (`yy` is the
 * year's last two), and text in single quotes, `''` for one of them. Always UTC, as in TimestampRouter. Names of months
 * and days, zones and all other letters are refused.
 */
export class DateFormat {
  private readonly pieces: readonly Piece[]

  /** Throws ERR_CONFIG. */
  constructor(format: string) {
    const wrong = (what: string): Error =>
      badMapping(
        `The date format ${JSON.stringify(format)} is wrong: ${what}; it takes y M d H m s S and text in quotes`,
      )
    const pieces: Piece[] = []
    for (let at = 0; at < format.length; ) {
      const sign = format[at]
      if (sign === "'") {
        const quoted = /^'((?:[^']|'')*)'/.exec(format.slice(at))
        if (quoted === null) throw wrong("a quote is not closed")
        pieces.push(quoted[1] === "" ? "'" : quoted[1].replaceAll("''", "'"))
        at += quoted[0].length
      } else if (/[A-Za-z]/.test(sign)) {
        let end = at
        while (format[end] === sign) end++
        const read = LETTERS[sign]
        if (read === undefined) throw wrong(`${sign.repeat(end - at)} is not supported`)
        if (sign === "M" && end - at > 2) throw wrong("names of months are not supported")
        if (end - at > 20) throw wrong(`${end - at} times the letter ${sign}`)
        pieces.push({ read, digits: end - at, short: sign === "y" && end - at === 2 })
        at = end
      } else {
        pieces.push(sign)
        at++
      }
    }
    this.pieces = pieces
  }

  /** `time`: milliseconds since 1970. */
  format(time: number): string {
    const date = new Date(time)
    let text = ""
    for (const piece of this.pieces) {
      if (typeof piece === "string") text += piece
      else {
        const number = piece.read(date)
        text += String(piece.short ? number % 100 : number).padStart(piece.digits, "0")
      }
    }
    return text
  }
}
