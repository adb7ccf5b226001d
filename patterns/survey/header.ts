/** Frames that travel before the body: a stack of numbers, at its bottom the survey's id, known by its highest bit. */
export const ID_SIZE = 4
export const ID_BIT = 0x80000000

export function headerOf(id: number): Buffer {
  const header = Buffer.allocUnsafe(ID_SIZE)
  header.writeUInt32BE(id)
  return header
}
