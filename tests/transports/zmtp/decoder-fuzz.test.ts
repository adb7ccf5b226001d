import assert from "node:assert/strict"
import { HeddleError } from "../../../core/errors.ts"
import { COMMAND, frame, MORE } from "../../support/bytes.ts"
import { cut, Decoding, difference, frameSize, type Item } from "../../support/decoding.ts"
import { LONG_RUN, type Random, seeded } from "../../support/random.ts"

const VALID = LONG_RUN ? 1_000_000 : 10_000
const HOSTILE = LONG_RUN ? 1_000_000 : 10_000
const LIMIT = 4 * 1024 * 1024

/** A valid stream, with everything that the specification allows, and what it must decode to. */
function stream(random: Random): { bytes: Buffer; items: Item[] } {
  const items: Item[] = []
  const wire: Buffer[] = []
  const add = (flags: number, body: Buffer): void => {
    const reserved = random.chance(0.02) ? 0xf8 & random.int(0, 255) : 0
    wire.push(frame(flags | reserved, body, { long: random.chance(0.1) }))
  }
  for (let left = random.int(1, 6); left > 0; left--) {
    const frames: Buffer[] = []
    for (let more = random.pick([0, 0, 0, 1, 2, 9]); more >= 0; more--) {
      if (random.chance(0.1)) {
        const body = random.bytes(Math.min(frameSize(random), 100_000))
        items.push({ command: true, frames: [body] })
        add(COMMAND | (random.chance(0.1) ? MORE : 0), body)
      }
      const body = random.bytes(frameSize(random))
      frames.push(body)
      add(more > 0 ? MORE : 0, body)
    }
    items.push({ command: false, frames })
  }
  return { bytes: Buffer.concat(wire), items }
}

/** Bytes that somebody hostile would send: a valid stream with some bytes changed, doubled or lost, or noise. */
function hostile(random: Random): Buffer {
  if (random.chance(0.2)) return random.bytes(random.int(1, 400))
  let { bytes } = stream(random)
  for (let left = random.int(1, 5); left > 0 && bytes.length > 0; left--) {
    // Headers stand at the beginning more often than anywhere else.
    const at = random.chance(0.5) ? random.int(0, Math.min(20, bytes.length - 1)) : random.int(0, bytes.length - 1)
    const kind = random.int(0, 3)
    if (kind === 0) bytes[at] = random.int(0, 255)
    else if (kind === 1) bytes[at] ^= 1 << random.int(0, 7)
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.int(1, 9))])
    else bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(random.int(1, 9)), bytes.subarray(at)])
  }
  return bytes
}

describe("ZMTP decoder, fuzzed", () => {
  it(`decodes ${VALID} random streams to what was sent, wherever they are cut and paused`, async function () {
    if (LONG_RUN) this.timeout(0)
    await seeded(random => {
      for (let run = 0; run < VALID; run++) {
        const { bytes, items } = stream(random)
        const decoding = new Decoding()
        const { decoder } = decoding
        // Borrowed, not, or now and then: the same comes out.
        const borrowing = random.pick([0, 0, 1, 0.9, 0.5])
        if (borrowing > 0) decoding.borrows = () => random.chance(borrowing)
        if (random.chance(0.3)) {
          decoding.onItem = () => {
            if (random.chance(0.3)) decoder.paused = true
          }
        }
        for (const piece of cut(bytes, random)) {
          // A paused stream may still deliver a read that was under way.
          let going = decoding.push(piece)
          while (!going) {
            decoder.paused = false
            going = decoder.go()
          }
        }
        const wrong = difference(decoding.items, items)
        if (wrong !== null) assert.fail(`run ${run}: ${wrong}`)
        assert.equal(decoder.target(), null)
      }
    })
  })

  it(`survives ${HOSTILE} hostile streams: only HeddleErrors, and no memory beyond what was received`, async function () {
    if (LONG_RUN) this.timeout(0)
    const real = Buffer.allocUnsafeSlow
    let current = new Decoding()
    let excess: string | null = null
    Buffer.allocUnsafeSlow = size => {
      // The constant: a slab that all connections share, and the first piece of a large frame.
      const allowed = Math.max(256 * 1024, 2 * current.received)
      if (size > allowed) excess = `${size} bytes were taken after ${current.received} had come`
      return real(size)
    }
    try {
      await seeded(random => {
        let refused = 0
        for (let run = 0; run < HOSTILE; run++) {
          current = new Decoding(random.pick([-1, 100, LIMIT]))
          if (random.chance(0.5)) current.borrows = () => true
          try {
            current.all(...cut(hostile(random), random))
          } catch (error) {
            if (!(error instanceof HeddleError)) throw error
            refused++
          }
          if (excess !== null) assert.fail(`run ${run}: ${excess}`)
        }
        assert.ok(refused > HOSTILE / 100, `only ${refused} of ${HOSTILE} streams were hostile enough to be refused`)
      })
    } finally {
      Buffer.allocUnsafeSlow = real
    }
  })
})
