import { type Finding, fail } from "./finding.ts"

/** One thing that is looked at. Facts are read from the machine, the verdict depends on them alone: tests make up facts. */
export interface Check<Facts> {
  /** What `--only` takes. */
  readonly name: string
  /** One line for the help. */
  readonly about: string
  /** Bounded by itself in what it waits for. */
  read(): Promise<Facts> | Facts
  judge(facts: Facts): readonly Finding[]
}

/** A check with whatever facts. */
export interface AnyCheck {
  readonly name: string
  readonly about: string
  /** Never rejects: what cannot be looked at is a finding, too. */
  run(): Promise<readonly Finding[]>
}

/** Milliseconds for one check. All wait less by themselves; this is for what hangs where nobody thought that it could. */
const PATIENCE = 20_000

export function check<Facts>({ name, about, read, judge }: Check<Facts>, patience = PATIENCE): AnyCheck {
  return { name, about, run: () => examined(name, async () => judge(await read()), patience) }
}

async function examined(
  name: string,
  look: () => Promise<readonly Finding[]>,
  patience: number,
): Promise<readonly Finding[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<readonly Finding[]>(resolve => {
    const text = `gave no answer for ${patience / 1000} s`
    timer = setTimeout(
      () => resolve([fail(name, text, "Something that answers at once elsewhere hangs here.")]),
      patience,
    )
  })
  try {
    return await Promise.race([look(), late])
  } catch (error) {
    return [fail(name, `cannot be looked at: ${messageOf(error)}`, "Run it as the user that your program runs as.")]
  } finally {
    clearTimeout(timer)
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
