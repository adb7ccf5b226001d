import { readFile, stat } from "node:fs/promises"
import path from "node:path"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import { type BridgeConfig, type ParseOptions, parseBridgeConfig } from "./bridge-config.ts"
import { parseSource } from "./json-source.ts"
import { Variables } from "./variables.ts"

/** A file of configuration is written by hand; a log that was named by mistake is not read. */
const LARGEST = 8 * 1024 * 1024

export interface LoadOptions extends Pick<ParseOptions, "registries"> {
  /** For `${env:X}`. Default: that of the process. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/**
 * Reads a configuration. `${file:…}` with a relative path counts from the file's own folder. Rejects with ERR_CONFIG, which names
 * all mistakes, or as the operating system does (ENOENT, EACCES).
 */
export async function loadBridgeConfig(file: string, options: LoadOptions): Promise<BridgeConfig> {
  const variables = new Variables(options.environment ?? process.env, path.dirname(file))
  return parseBridgeConfig(parseSource(await read(file), file), { ...options, variables, source: file })
}

async function read(file: string): Promise<string> {
  try {
    const found = await stat(file)
    if (!found.isFile() || found.size > LARGEST) {
      throw new HeddleError("ERR_CONFIG", `${file} is no file, or has more than ${LARGEST} bytes`)
    }
    return (await readFile(file, "utf8")).replace(/^\ufeff/, "")
  } catch (error) {
    throw fromSystem(error, "Cannot read", file)
  }
}
