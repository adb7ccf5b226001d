/**
 * A process of a measurement: `main.js FAMILY ROLE key=value ...`. It answers with JSON lines on stdout, as the
 * programs in bench/c do, and ends when the parent closes its stdin.
 */
import { Arguments, type Role } from "../task.ts"
import { Parent, type Roles } from "./parent.ts"

const [family, role, ...pairs] = process.argv.slice(2)
const parent = new Parent()
try {
  // By name, so that a peer that is not installed is missed in its own processes only.
  const { roles } = (await import(new URL(`./${family}/roles.js`, import.meta.url).href)) as { roles: Roles }
  const play = roles[role as Role]
  if (!play) throw new Error(`${family} does not play ${role}`)
  await play(new Arguments(pairs), parent)
} catch (error) {
  parent.failed(error)
}
