/**
 * The file `mark`: how far records are released, and how far they are known to be on the disk. Two slots are written in turn, so that
 * a torn write leaves the older one (SPOOL-4: the mark may be old, never new): what it says was true before it was written.
 *
 *     8 bytes "HDSMARK" and version | u48 generation | u48 released | u48 synced | 16 bytes id of the spool | u8 loose |
 *     u32 CRC-32C
 */
import { Buffer } from "node:buffer"
import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import fs, { type FileHandle } from "node:fs/promises"
import { crc32c } from "./crc32c.ts"
import { damaged } from "./damage.ts"
import { readU32, writeU32 } from "./record-format.ts"

const MAGIC = Buffer.from("HDSMARK\x01", "latin1")
const CRC_AT = 43
const SLOT_SIZE = CRC_AT + 4
/** Slots lie in different blocks of any disk: a torn block never has both. */
const SLOT_DISTANCE = 4096
const ID_SIZE = 16

/**
 * Milliseconds. What was sent in the last tenth of a second may be sent again after a crash; without a checkpoint that is at-least-once anyhow.
 */
const DELAY = 100

export class MarkFile {
  /** All records below may be freed. */
  released: number
  /** All records below were synced; that they are missing or damaged is no torn tail. */
  synced: number
  id: string
  /** Records were given to readers before they were synced: what a crash takes may have been seen. */
  loose: boolean
  private generation: number
  private readonly file: FileHandle
  private timer: NodeJS.Timeout | null = null
  /** Writes go one after the other. */
  private last: Promise<void> = Promise.resolve()

  private constructor(file: FileHandle, slot: Slot) {
    this.file = file
    this.released = slot.released
    this.synced = slot.synced
    this.id = slot.id
    this.loose = slot.loose
    this.generation = slot.generation
  }

  /** Makes it where it is missing. Throws ERR_SPOOL when neither slot can be read. */
  static async open(path: string): Promise<MarkFile> {
    const file = await fs.open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    try {
      const bytes = Buffer.alloc(SLOT_DISTANCE + SLOT_SIZE)
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
      const a = readSlot(bytes.subarray(0, SLOT_SIZE))
      const b = readSlot(bytes.subarray(SLOT_DISTANCE))
      const slot = a !== null && (b === null || a.generation > b.generation) ? a : b
      if (slot !== null) return new MarkFile(file, slot)
      // Shorter than both slots: its making was interrupted, before anything was in the spool.
      if (bytesRead === bytes.length) throw damaged(path, 0, "neither of its two slots can be read")
      const mark = new MarkFile(file, { generation: 0, released: 0, synced: 0, id: freshId(), loose: false })
      await mark.write()
      await mark.write()
      await file.sync()
      return mark
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** The marks have moved: they are written soon. A failure of that makes them old, which they may be. */
  move(released: number, synced: number): void {
    this.released = released
    this.synced = synced
    this.timer ??= setTimeout(() => void this.writeNow().catch(() => {}), DELAY).unref()
  }

  /** Resolves when the marks as they are now are on the disk. */
  async save(): Promise<void> {
    await this.writeNow()
    await this.file.datasync()
  }

  /** The numbers that come are not those that others may have seen: `save` follows. */
  renewId(): void {
    this.id = freshId()
  }

  /** Call `save` before. */
  async close(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer)
    await this.last
    await this.file.close()
  }

  private writeNow(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    const written = this.last.then(() => this.write())
    this.last = written.catch(() => {})
    return written
  }

  private async write(): Promise<void> {
    const slot = Buffer.alloc(SLOT_SIZE)
    this.generation++
    MAGIC.copy(slot)
    slot.writeUIntLE(this.generation, 8, 6)
    slot.writeUIntLE(this.released, 14, 6)
    slot.writeUIntLE(this.synced, 20, 6)
    slot.write(this.id, 26, "hex")
    slot[42] = this.loose ? 1 : 0
    writeU32(crc32c(slot, 0, CRC_AT), slot, CRC_AT)
    await this.file.write(slot, 0, SLOT_SIZE, (this.generation % 2) * SLOT_DISTANCE)
  }
}

interface Slot {
  readonly generation: number
  readonly released: number
  readonly synced: number
  readonly id: string
  readonly loose: boolean
}

function freshId(): string {
  return randomBytes(ID_SIZE).toString("hex")
}

function readSlot(bytes: Buffer): Slot | null {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC) || crc32c(bytes, 0, CRC_AT) !== readU32(bytes, CRC_AT)) return null
  return {
    generation: bytes.readUIntLE(8, 6),
    released: bytes.readUIntLE(14, 6),
    synced: bytes.readUIntLE(20, 6),
    id: bytes.toString("hex", 26, 42),
    loose: bytes[42] === 1,
  }
}
