import { html, put, say } from "./dom.ts"
import { compare } from "./format.ts"

export interface Column<Row> {
  readonly head: string
  /** Says what the head means, where it is short. */
  readonly title?: string
  /** What rows are sorted by; text is sorted from A, numbers from the largest. */
  readonly value: (row: Row) => string | number
  /** What the cell says. Default: the value. */
  readonly text?: (row: Row) => string
  /** Instead of a text. */
  readonly draw?: (row: Row, cell: HTMLElement) => void
  /** For the style. */
  readonly kind?: "number" | "name" | "drawn"
}

export interface TableOptions<Row> {
  readonly columns: readonly Column<Row>[]
  readonly key: (row: Row) => string
  /** Column that it is sorted by at first. */
  readonly sort: number
  /** What stands there when there are no rows. */
  readonly empty: string
  /** Enter or a click on a row. */
  readonly choose?: (row: Row) => void
}

interface Shown<Row> {
  row: Row
  readonly element: HTMLTableRowElement
  readonly cells: readonly HTMLTableCellElement[]
}

/**
 * A table whose rows come again and again, as a grid of WAI-ARIA: arrow keys go from row to row, Enter chooses, the heads sort. Rows do not
 * change places under the pointer or the focus.
 */
export class Table<Row> {
  private readonly table: HTMLTableElement
  private readonly body = html("tbody")
  private readonly options: TableOptions<Row>
  private readonly heads: HTMLTableCellElement[]
  private readonly shown = new Map<string, Shown<Row>>()
  private readonly nothing: HTMLTableRowElement
  private sort: number
  private reversed = false
  private rows: readonly Row[] = []
  private current = ""
  private chosen = ""

  constructor(table: HTMLTableElement, options: TableOptions<Row>) {
    this.table = table
    this.options = options
    this.sort = options.sort
    const { columns } = options
    this.heads = columns.map((column, at) => {
      const button = html("button", { type: "button" }, column.head)
      if (column.title !== undefined) button.title = column.title
      button.addEventListener("click", () => this.sortBy(at))
      return html("th", { scope: "col", class: column.kind ?? "" }, button)
    })
    const cell = html("td", { colspan: columns.length, class: "empty" }, options.empty)
    this.nothing = html("tr", {}, cell)
    put(table, { role: "grid" })
    table.append(html("thead", {}, html("tr", {}, ...this.heads)), this.body)
    this.body.addEventListener("keydown", event => this.key(event))
    this.body.addEventListener("click", event => this.clicked(event))
    this.body.addEventListener("focusin", event => this.focused(event))
    this.showSort()
    this.update([])
  }

  update(rows: readonly Row[]): void {
    this.rows = rows
    this.draw(this.held)
  }

  /** The row that stands for what the page shows elsewhere; "" = none. */
  mark(key: string): void {
    this.chosen = key
    for (const [one, { element }] of this.shown) put(element, { "aria-selected": one === key })
  }

  /** Somebody is about to choose a row. */
  private get held(): boolean {
    return this.body.matches(":hover") || this.body.contains(document.activeElement)
  }

  private sortBy(at: number): void {
    this.reversed = this.sort === at && !this.reversed
    this.sort = at
    this.showSort()
    this.draw(false)
  }

  private showSort(): void {
    for (const [at, head] of this.heads.entries()) {
      const { kind } = this.options.columns[at]
      const down = (kind !== "name") !== this.reversed
      put(head, { "aria-sort": at !== this.sort ? "none" : down ? "descending" : "ascending" })
    }
  }

  private sorted(): Row[] {
    const { columns, key } = this.options
    const { value } = columns[this.sort]
    const way = this.reversed ? -1 : 1
    return [...this.rows].sort((one, other) => {
      const [a, b] = [value(one), value(other)]
      const order = typeof a === "number" && typeof b === "number" ? b - a : compare(String(a), String(b))
      return way * order || compare(key(one), key(other))
    })
  }

  /** `held`: rows stay where they are, new ones come behind them. */
  private draw(held: boolean): void {
    const { key } = this.options
    const rows = this.sorted()
    const keys = new Set(rows.map(key))
    for (const [one, { element }] of this.shown) {
      if (keys.has(one)) continue
      if (element.contains(document.activeElement)) this.move(element, 1, false)
      element.remove()
      this.shown.delete(one)
    }
    const active = document.activeElement
    for (const [at, row] of rows.entries()) {
      const shown = this.shown.get(key(row)) ?? this.add(key(row), row)
      shown.row = row
      this.fill(shown)
      const there = this.body.children[at]
      if (shown.element.parentNode === null) this.body.insertBefore(shown.element, held ? null : (there ?? null))
      else if (!held && there !== shown.element) this.body.insertBefore(shown.element, there)
    }
    // A row that is moved loses the focus.
    if (active instanceof HTMLElement && active !== document.activeElement && this.body.contains(active)) active.focus()
    if (rows.length === 0) this.body.append(this.nothing)
    else this.nothing.remove()
    if (!keys.has(this.current)) this.current = rows.length === 0 ? "" : key(rows[0])
    for (const [one, { element }] of this.shown) put(element, { tabindex: one === this.current ? 0 : -1 })
    put(this.table, { "aria-rowcount": rows.length + 1 })
  }

  private add(key: string, row: Row): Shown<Row> {
    const cells = this.options.columns.map(({ kind }) => html("td", { class: kind ?? "" }))
    const element = html("tr", { "data-key": key, tabindex: -1, "aria-selected": key === this.chosen }, ...cells)
    if (this.options.choose !== undefined) element.classList.add("choice")
    const shown = { row, element, cells }
    this.shown.set(key, shown)
    return shown
  }

  private fill({ row, cells }: Shown<Row>): void {
    for (const [at, { value, text, draw, kind }] of this.options.columns.entries()) {
      const cell = cells[at]
      if (draw !== undefined) draw(row, cell)
      else {
        const words = text === undefined ? String(value(row)) : text(row)
        say(cell, words)
        if (kind === "name" && cell.title !== words) cell.title = words
      }
    }
  }

  private key(event: KeyboardEvent): void {
    const element = (event.target as Element).closest("tr")
    if (element === null || event.altKey || event.ctrlKey || event.metaKey) return
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: 10,
      PageUp: -10,
      Home: Number.NEGATIVE_INFINITY,
      End: Number.POSITIVE_INFINITY,
    }
    if (event.key in steps) this.move(element, steps[event.key], true)
    else if (event.key === "Enter" || event.key === " ") this.take(element)
    else return
    event.preventDefault()
  }

  private move(from: Element, step: number, clamp: boolean): void {
    const rows = [...this.body.children] as HTMLElement[]
    const wanted = rows.indexOf(from as HTMLElement) + step
    const at = clamp || wanted < rows.length ? Math.max(0, Math.min(rows.length - 1, wanted)) : rows.length - 2
    rows[at]?.focus()
  }

  private clicked(event: Event): void {
    const element = (event.target as Element).closest("tr")
    if (element !== null) this.take(element)
  }

  private take(element: HTMLTableRowElement): void {
    const shown = this.shown.get(element.dataset.key ?? "")
    if (shown !== undefined) this.options.choose?.(shown.row)
  }

  private focused(event: Event): void {
    const key = (event.target as HTMLElement).closest("tr")?.dataset.key
    if (key === undefined || key === this.current) return
    const before = this.shown.get(this.current)
    if (before !== undefined) put(before.element, { tabindex: -1 })
    this.current = key
    put((this.shown.get(key) as Shown<Row>).element, { tabindex: 0 })
  }
}
