/** Longer names are cut: the table below has the square of it in steps, and names come from a file. */
const LONGEST = 80

/** Letters that must be changed, put in or taken out to make one text of the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]
}

/** The known name that somebody probably meant, or null when none is near: a third of the letters may be wrong. */
export function nearest(name: string, known: Iterable<string>): string | null {
  const wanted = name.slice(0, LONGEST).toLowerCase()
  let best: string | null = null
  let least = Math.floor(wanted.length / 3) + 1
  for (const candidate of known) {
    const far = distance(wanted, candidate.slice(0, LONGEST).toLowerCase())
    if (far >= least) continue
    least = far
    best = candidate
  }
  return best
}

/** `; did you mean "topics"?`, or nothing. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const found = nearest(name, known)
  return found === null ? "" : `; did you mean "${found}"?`
}
