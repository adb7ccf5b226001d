import path from "node:path"
import type { BridgeConfig } from "../config/bridge-config.ts"
import { Spool } from "../spool/spool.ts"

/**
 * Opens the spool of one connector, in a folder of its name; null = there is none. `asStore`: what is released stays for replays, up
 * to `max.bytes`, unless the settings say less. Rejects with ERR_SPOOL.
 */
export async function openSpool(
  { spool: settings }: BridgeConfig,
  connector: string,
  asStore: boolean,
  onDurable?: (durable: number) => void,
): Promise<Spool | null> {
  if (settings === null || settings.mode === "off") return null
  const { dir, segmentBytes, maxBytes, fsync, full, tailBytes, bufferBytes, retainBytes, retainAge } = settings
  const retain = { bytes: retainBytes > 0 ? retainBytes : undefined, age: retainAge > 0 ? retainAge : undefined }
  return Spool.open({
    folder: path.resolve(dir, connector),
    segmentBytes,
    maxBytes,
    fsync,
    full,
    tailBytes,
    bufferBytes,
    retain: asStore || retainBytes > 0 || retainAge > 0 ? retain : undefined,
    onDurable,
  })
}
