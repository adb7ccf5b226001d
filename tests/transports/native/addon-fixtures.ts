import type { Addon } from "../../../transports/native/addon.ts"
import { loadNative, nativeStatus } from "../../../transports/native/native.ts"

/** A suite that needs the addon; one skipped line when it is not there. */
export function describeNative(title: string, suite: (native: Addon) => void): void {
  const native = loadNative()
  if (native !== null) describe(title, () => suite(native))
  else describe(title, () => it.skip(`needs the native addon: ${nativeStatus().reason}`))
}

/** The code of what `run` throws; fails when it throws nothing. */
export function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return String((error as { code?: unknown }).code)
  }
  return "nothing was thrown"
}
