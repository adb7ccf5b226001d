import type { ServerCall } from "./service.ts"

/** Numbers of clients come from `Slots`: those of so many calls at a time differ in their last bits. */
const PLACES = 1024

/** Calls of one client by the client's numbers. Like `Slots` it makes no garbage; strange numbers go to a `Map`. */
export class CallTable {
  private readonly places: (ServerCall | undefined)[] = []
  private readonly others = new Map<number, ServerCall>()

  set(call: ServerCall): void {
    const place = call.id % PLACES
    while (this.places.length <= place) this.places.push(undefined)
    if (this.places[place] === undefined) this.places[place] = call
    else this.others.set(call.id, call)
  }

  get(id: number): ServerCall | undefined {
    const call = this.places[id % PLACES]
    return call !== undefined && call.id === id ? call : this.others.get(id)
  }

  /** After a break the client may have used the number again: another call of the same number stays. */
  delete(call: ServerCall): void {
    const place = call.id % PLACES
    if (this.places[place] === call) this.places[place] = undefined
    else if (this.others.get(call.id) === call) this.others.delete(call.id)
  }

  values(): ServerCall[] {
    return [...this.places.filter(call => call !== undefined), ...this.others.values()]
  }
}
