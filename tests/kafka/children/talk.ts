import readline from "node:readline"
import { type Fabric, join, seeds } from "../../../index.ts"
import type { Place } from "./lives.ts"

export function joinAt(name: string, { fabric, node, suspicion }: Place): Promise<Fabric> {
  const membership = suspicion === undefined ? {} : { suspicionTimeout: suspicion }
  return join(fabric, { name, discovery: [seeds([node])], listen: "tcp://127.0.0.1:0", membership })
}

/**
 * Answers the lines of the process that started this one: "7 status x" is answered by "7 <JSON>". It ends with its standard input, so
 * that a child never outlives a test.
 */
export function answer(commands: Readonly<Record<string, (argument: string) => unknown>>): void {
  const lines = readline.createInterface({ input: process.stdin })
  lines.on("line", async line => {
    const [, number, command, argument] = /^(\d+) (\S+) ?(.*)$/.exec(line) ?? []
    if (number === undefined) return
    const result: unknown = await commands[command]?.(argument)
    say(`${number} ${JSON.stringify(result ?? null)}`)
  })
  lines.on("close", () => process.exit())
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
