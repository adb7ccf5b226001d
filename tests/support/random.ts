/** Noise is made once and copied from random places: made anew for each megabyte, it would take most of the time. */
const NOISE = 64 * 1024

/** A small generator that gives the same numbers for the same seed (mulberry32). */
export class Random {
  readonly seed: number
  private state: number
  private noise: Buffer | null = null

  constructor(seed: number) {
    this.seed = seed >>> 0
    this.state = this.seed
  }

  /** From HEDDLE_SEED when a run is to be repeated, otherwise new each time. */
  static fresh(): Random {
    const given = process.env.HEDDLE_SEED
    return new Random(given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given))
  }

  /** 0 up to, not including, 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `min` to `max`, both included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(0, list.length - 1)]
  }

  /** Noise; a copy, which the caller may change. */
  bytes(length: number): Buffer {
    this.noise ??= this.makeNoise()
    const bytes = Buffer.allocUnsafe(length)
    for (let at = 0; at < length; ) at += this.noise.copy(bytes, at, this.int(0, NOISE / 2))
    return bytes
  }

  private makeNoise(): Buffer {
    const noise = Buffer.allocUnsafe(NOISE)
    for (let i = 0; i < NOISE; i += 4) noise.writeUInt32LE(Math.floor(this.next() * 2 ** 32), i)
    return noise
  }
}

/** Whether the long runs were asked for: the same tests with many more cases. */
export const LONG_RUN = process.env.HEDDLE_LONG !== undefined && process.env.HEDDLE_LONG !== "0"

/** Runs `body` with a fresh generator, and names the seed when it fails. */
export async function seeded(body: (random: Random) => Promise<void> | void): Promise<void> {
  const random = Random.fresh()
  try {
    await body(random)
  } catch (error) {
    console.error(`This run failed; repeat it with HEDDLE_SEED=${random.seed}`)
    throw error
  }
}
