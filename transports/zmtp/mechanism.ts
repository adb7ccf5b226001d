import type { Hello } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { commandFrame } from "./command.ts"
import { encodeMetadata, parseMetadata } from "./metadata.ts"

/** One side of one security handshake. Throws a HeddleError when the peer breaks the rules. */
export interface Mechanism {
  /** Name in the greeting. */
  readonly name: "NULL" | "PLAIN" | "CURVE"
  /** Commands to send before anything was heard; `hello` is null while an adaptive acceptor waits to hear the peer. */
  begin(hello: Hello | null): Buffer[]
  /** A command of the peer: commands to answer with. */
  receive(name: string, data: Buffer, answer: (peer: Hello) => Hello): Buffer[]
  /** What the peer said of itself, once both sides are satisfied. */
  readonly peer: Hello | null
  readonly userId: string
}

/** RFC 37, "The NULL Security Mechanism": each side sends READY; nobody proves anything. */
export class NullMechanism implements Mechanism {
  readonly name = "NULL"
  readonly userId = ""
  peer: Hello | null = null
  private spoken = false

  // Both sides speak at once: RFC 37 lets the acceptor wait, but RFC 23 and libzmq do not.
  begin(hello: Hello | null): Buffer[] {
    if (hello === null) return []
    this.spoken = true
    return [commandFrame("READY", encodeMetadata(hello))]
  }

  receive(name: string, data: Buffer, answer: (peer: Hello) => Hello): Buffer[] {
    if (name !== "READY" || this.peer !== null) {
      throw new HeddleError("ERR_ZMTP_UNEXPECTED_COMMAND", `The peer sent ${name} where READY was due`, { fatal: true })
    }
    this.peer = parseMetadata(data)
    return this.spoken ? [] : this.begin(answer(this.peer))
  }
}
