import { SeededRandom } from "../../transports/simulated/random.ts"

/** Noise is made once and copied from random places: made anew for each megabyte, it would take most of the time. */
const NOISE = 64 * 1024

/** The generator of the simulated network, and noise. */
export class Random extends SeededRandom {
  private noise: Buffer | null = null

  /** From HEDDLE_SEED when a run is to be repeated, otherwise new each time. */
  static fresh(): Random {
    const given = process.env.HEDDLE_SEED
    return new Random(given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given))
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
