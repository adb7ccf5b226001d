/** The messages that every pair of sockets must carry, in both directions, over every way. */
import { carries, everyWay, type Flow, frames, type Meet, payload, WAYS } from "./support.ts"

/** Around the limits of ZMTP's short frames, of libzmq's batches (8,192 bytes) and of Heddle's chunks (64 KiB). */
const SIZES = [0, 1, 255, 256, 8191, 8192, 8193, 65535, 65536, 1024 * 1024]

const SHAPES = [
  frames("one"),
  frames(""),
  frames("a", "b", "c"),
  frames("", "middle", "last"),
  frames("first", "", "last"),
  frames("first", "middle", ""),
  frames("", "", ""),
  [Buffer.alloc(300, 1), Buffer.alloc(0), Buffer.alloc(70_000, 2), Buffer.alloc(1, 3)],
]

export interface Direction {
  readonly name: string
  /** Opens the two sockets; the flow is ready to carry everything when it resolves. */
  readonly open: (meet: Meet) => Promise<Flow>
  /** False for sockets whose messages have one frame. Default true. */
  readonly multipart?: boolean
  /** Messages of the test of their order. Default 10,000; fewer where each waits for an answer. */
  readonly count?: number
}

export function carriesEverything({ name, open, multipart = true, count = 10_000 }: Direction): void {
  everyWay(`${name}: frames of all sizes`, async meet => {
    await carries(
      await open(meet),
      SIZES.map(size => [payload(size)]),
    )
  })

  if (multipart) {
    everyWay(`${name}: messages of several frames, also empty ones`, async meet => {
      await carries(await open(meet), [...SHAPES, SIZES.map(payload)])
    })
  }

  // Each transport and each binder once: the other two combinations differ in the handshake only.
  const ways = [WAYS[0], WAYS[3]]
  everyWay(
    `${name}: ${count} messages in order`,
    async meet => {
      await carries(
        await open(meet),
        Array.from({ length: count }, (_, i) => frames(`${i}`)),
      )
    },
    ways,
  )
}
