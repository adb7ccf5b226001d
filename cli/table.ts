export interface Column {
  head: string
  /** Numbers stand at the right of their column. */
  right?: true
}

/** Lines of a table whose columns are as wide as what is in them. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map(({ head }) => head), ...rows.map(row => row.map(printable))]
  const widths = columns.map((_, at) => Math.max(...cells.map(row => row[at].length)))
  return cells.map(row =>
    row
      .map((cell, at) => (columns[at].right ? cell.padStart(widths[at]) : cell.padEnd(widths[at])))
      .join("  ")
      .trimEnd(),
  )
}

/** Names come from others: they must not be able to steer the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, "\u{fffd}")
}
