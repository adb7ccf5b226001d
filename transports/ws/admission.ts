import { originAllowed, type Refusal, type Upgrade, type WebHandlers, type WebRequest } from "../../core/web.ts"
import type { WebSettings } from "./web-settings.ts"

/** Of both libraries' servers: who is let in. */
export class Admission<Data> {
  /** Clients that are open. */
  clients = 0
  /** Upgrades without an answer yet, and requests whose body arrives. */
  pending = 0
  /** The server takes nobody any more. */
  stopped = false
  private readonly settings: WebSettings
  private readonly handlers: WebHandlers<Data>

  constructor(settings: WebSettings, handlers: WebHandlers<Data>) {
    this.settings = settings
    this.handlers = handlers
  }

  /**
   * Asks the handler; `answer` is called exactly once, from within this call where the handler answers at once. The client may
   * have gone away meanwhile.
   */
  decide(request: WebRequest, answer: (decision: Upgrade<Data> | Refusal) => void): void {
    const refusal = this.refusal(request)
    if (refusal !== null) {
      this.refuse(request, refusal, answer)
      return
    }
    let found: Upgrade<Data> | Refusal | Promise<Upgrade<Data> | Refusal>
    try {
      found = this.handlers.upgrade?.(request) ?? refused(404, "There are no WebSockets here")
    } catch (error) {
      found = failure(error)
    }
    if (found instanceof Promise) this.wait(request, found, answer)
    else this.settle(request, found, answer)
  }

  /** For a plain request that would begin to be gathered: false = 503. */
  get hasRoom(): boolean {
    return !this.stopped && this.pending < this.settings.maxPending
  }

  private refusal(request: WebRequest): Refusal | null {
    const { settings } = this
    if (this.stopped) return refused(503, "The server is closing")
    if (request.method !== "GET") return refused(405, "An upgrade is a GET")
    if (request.headers.get("sec-websocket-version") !== "13") return refused(426, "The version of WebSocket is 13")
    if (!settings.anyPath && request.path !== settings.address.path) {
      return refused(404, `There are no WebSockets at this path; they are at ${settings.address.path}`)
    }
    const origin = request.headers.get("origin")
    if (!originAllowed(settings.origins, origin, request.headers.get("host"))) {
      return refused(403, `Pages of the origin ${origin} may not connect (see the option origins)`)
    }
    if (this.clients >= settings.maxClients)
      return refused(503, `There are ${settings.maxClients} clients (maxClients)`)
    if (this.pending >= settings.maxPending) return refused(503, "Too many upgrades are under way (maxPending)")
    return null
  }

  private wait(
    request: WebRequest,
    found: Promise<Upgrade<Data> | Refusal>,
    answer: (decision: Upgrade<Data> | Refusal) => void,
  ): void {
    this.pending++
    let over = false
    const settle = (decision: Upgrade<Data> | Refusal): void => {
      if (over) return
      over = true
      this.pending--
      clearTimeout(timer)
      this.settle(request, decision, answer)
    }
    const timer = setTimeout(() => settle(refused(503, "Nobody answered in time")), this.settings.upgradeTimeout)
    timer.unref()
    found.then(settle, (error: unknown) => settle(failure(error)))
  }

  private settle(
    request: WebRequest,
    decision: Upgrade<Data> | Refusal,
    answer: (decision: Upgrade<Data> | Refusal) => void,
  ): void {
    if (!decision.accept) this.refuse(request, decision, answer)
    // Others may have come while the handler thought.
    else if (this.stopped || this.clients >= this.settings.maxClients)
      this.refuse(request, refused(503, "There is no room any more"), answer)
    else answer(decision)
  }

  private refuse(request: WebRequest, refusal: Refusal, answer: (decision: Refusal) => void): void {
    this.handlers.refused?.(request, refusal.status, refusal.reason)
    answer(refusal)
  }
}

function refused(status: number, reason: string): Refusal {
  return { accept: false, status, reason }
}

/** What the handler threw is for our side only. */
function failure(error: unknown): Refusal {
  process.emitWarning(`upgrade handler: ${error instanceof Error ? error.message : String(error)}`, "HeddleWarning")
  return refused(500, "The server failed to decide")
}

/** The list in `Sec-WebSocket-Protocol`. */
export function protocolsOf(header: string | undefined): string[] {
  return header === undefined || header === "" ? [] : header.split(",").map(one => one.trim())
}
