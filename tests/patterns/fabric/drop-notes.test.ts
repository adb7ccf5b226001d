import assert from "node:assert/strict"
import { DropNotes } from "../../../patterns/fabric/link/drop-notes.ts"
import { Outgoing } from "../../../patterns/fabric/link/outgoing.ts"

const WINDOW = 1_000

describe("fabric: notes of dropped messages", () => {
  /** What the notes in a stream would say, as `tell` hands them on. */
  const told = (notes: DropNotes, outgoing: Outgoing): number => {
    const before = outgoing.bytes
    notes.tell(outgoing)
    outgoing.flush()
    return outgoing.bytes - before
  }
  const stream = (): Outgoing =>
    new Outgoing(
      WINDOW,
      () => {},
      WINDOW,
      () => {},
    )

  it("FAB-POL-1 are written once, when there is room", () => {
    const [notes, outgoing] = [new DropNotes(), stream()]
    notes.add(1)
    notes.add(1, 4)
    notes.add(2)
    assert.ok(told(notes, outgoing) > 0)
    assert.equal(told(notes, outgoing), 0)
    notes.add(3)
    outgoing.reserve(2 * WINDOW)
    assert.equal(told(notes, outgoing), 0)
  })

  it("FAB-POL-1 come again when they were lost, and only then; those of interests that are gone do not", () => {
    const [notes, outgoing] = [new DropNotes(), stream()]
    notes.add(1)
    told(notes, outgoing)
    notes.add(2)
    told(notes, outgoing)
    assert.equal(outgoing.sealed, 2)
    // The peer has the first of the two.
    outgoing.restart(1)
    notes.lost(1)
    const size = told(notes, outgoing)
    assert.ok(size > 0)
    notes.lost(2)
    assert.equal(told(notes, outgoing), 0)
    notes.add(4)
    notes.forget(4)
    assert.equal(told(notes, outgoing), 0)
  })
})
