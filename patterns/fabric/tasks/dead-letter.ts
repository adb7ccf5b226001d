import { HeddleError } from "../../../core/errors.ts"
import { MessageHeaders } from "../../../core/headers.ts"
import { Parcel } from "../link/parcel.ts"
import { encodeHeaders } from "../link/write.ts"
import { RemoteError } from "../requests/failures.ts"
import type { Task } from "./tasks.ts"

/** Characters of an error's text in a header: it is for people. */
const MOST_TEXT = 1_024

/** The payload of a task that failed for good, with headers that say what became of it, if there is room for them. */
export function deadParcel({ parcel, subject, deliveries }: Task, error: HeddleError): Parcel {
  const { payload, size, codec, codecName, structures } = parcel
  let { headers } = parcel
  try {
    const said = headers === null ? new MessageHeaders() : MessageHeaders.decode(headers)
    const code = error instanceof RemoteError && error.remoteCode !== "" ? error.remoteCode : error.code
    said.append("Heddle-Dead-Subject", subject)
    said.append("Heddle-Dead-Deliveries", String(deliveries))
    said.append("Heddle-Dead-Code", code.slice(0, MOST_TEXT))
    said.append("Heddle-Dead-Error", error.message.slice(0, MOST_TEXT))
    headers = encodeHeaders(said)
  } catch (fault) {
    // The user's own headers go before ours.
    if (!(fault instanceof HeddleError)) throw fault
  }
  return new Parcel(payload, 0, size, codec, codecName, headers, structures)
}
