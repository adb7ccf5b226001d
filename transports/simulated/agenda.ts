/** What is to happen at a moment. */
export class Appointment {
  readonly at: number
  /** Of two at one moment the one that was made first goes first. */
  readonly order: number
  readonly run: () => void
  /** Place in the heap; -1 = not in it any more. */
  slot = -1
  private readonly agenda: Agenda

  constructor(agenda: Agenda, at: number, order: number, run: () => void) {
    this.agenda = agenda
    this.at = at
    this.order = order
    this.run = run
  }

  /** Idempotent. */
  cancel(): void {
    this.agenda.remove(this)
  }
}

/** Appointments in the order of their moments: a binary heap that any entry can leave in logarithmic time. */
export class Agenda {
  private readonly heap: Appointment[] = []
  private made = 0

  get size(): number {
    return this.heap.length
  }

  /** Null = nothing is to happen. */
  get first(): Appointment | null {
    return this.heap.length === 0 ? null : this.heap[0]
  }

  add(at: number, run: () => void): Appointment {
    const entry = new Appointment(this, at, this.made++, run)
    this.heap.push(entry)
    this.rise(entry, this.heap.length - 1)
    return entry
  }

  /** Idempotent. */
  remove(entry: Appointment): void {
    const { slot } = entry
    if (slot < 0) return
    entry.slot = -1
    const last = this.heap.pop() as Appointment
    if (last === entry) return
    this.rise(last, slot)
    this.sink(last, last.slot)
  }

  private rise(entry: Appointment, from: number): void {
    const { heap } = this
    let slot = from
    while (slot > 0) {
      const above = (slot - 1) >> 1
      if (!before(entry, heap[above])) break
      this.put(heap[above], slot)
      slot = above
    }
    this.put(entry, slot)
  }

  private sink(entry: Appointment, from: number): void {
    const { heap } = this
    let slot = from
    for (;;) {
      let below = 2 * slot + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && before(heap[below + 1], heap[below])) below++
      if (!before(heap[below], entry)) break
      this.put(heap[below], slot)
      slot = below
    }
    this.put(entry, slot)
  }

  private put(entry: Appointment, slot: number): void {
    this.heap[slot] = entry
    entry.slot = slot
  }
}

function before(one: Appointment, other: Appointment): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
