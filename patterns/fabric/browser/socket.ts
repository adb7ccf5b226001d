import { HeddleError } from "../../../core/errors.ts"
import { EDGE_PROTOCOL, PING } from "../edge/protocol.ts"
import { RecordReader, RecordWriter } from "../edge/wire.ts"
import type { WebSocketConstructor, WebSocketLike } from "./websocket.ts"

export interface EdgeSocketSink {
  opened(): void
  /** May throw EPROTO: the connection is then closed. */
  record(type: number, reader: RecordReader): void
  /** Exactly once. `code` as in the close frame, 1006 = without one. */
  closed(code: number, error: HeddleError): void
}

/** A batch that is longer goes out before the turn ends, so that the other side can begin. */
const BATCH = 64 * 1024

/** Nobody else closes with it: this side gave up. */
const GAVE_UP = 1006

/** One WebSocket with an edge: records of one turn go out as one message, and a connection that is silent is found out. */
export class EdgeSocket {
  private readonly webSocket: WebSocketLike
  private readonly sink: EdgeSocketSink
  private readonly url: string
  private readonly writer = new RecordWriter()
  private readonly reader = new RecordReader()
  private readonly timer: ReturnType<typeof setInterval>
  private scheduled = false
  private heard = true
  private asked = false
  private open = false
  private over = false
  private why = ""

  /** `heartbeat`: milliseconds. Throws what the constructor of the WebSocket throws (a malformed URL). */
  constructor(type: WebSocketConstructor, url: string, heartbeat: number, sink: EdgeSocketSink) {
    this.url = url
    this.sink = sink
    const webSocket = new type(url, EDGE_PROTOCOL)
    this.webSocket = webSocket
    webSocket.binaryType = "arraybuffer"
    webSocket.onopen = () => {
      this.open = true
      sink.opened()
    }
    webSocket.onmessage = ({ data }: { readonly data: unknown }) => this.take(data)
    // Browsers say nothing of why; Node's implementations do.
    webSocket.onerror = (event: { readonly message?: unknown }) => {
      if (typeof event.message === "string") this.why = event.message
    }
    webSocket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) =>
      this.ended(code, reason)
    this.timer = setInterval(() => this.look(), heartbeat)
    // In Node a timer would keep the process alive, which is the connection's affair.
    ;(this.timer as { unref?(): void }).unref?.()
  }

  /** Begins a record; its fields follow, then `end`. */
  begin(type: number): RecordWriter {
    return this.writer.begin(type)
  }

  end(): void {
    this.writer.end()
    if (this.writer.at >= BATCH) this.flush()
    else if (!this.scheduled) {
      this.scheduled = true
      queueMicrotask(() => {
        this.scheduled = false
        this.flush()
      })
    }
  }

  /** What was said goes out before. */
  close(code: number, reason = ""): void {
    this.flush()
    this.shut(code)
    this.ended(code, reason)
  }

  private flush(): void {
    const { writer } = this
    // A copy: implementations may compress it later.
    if (writer.at > 0 && this.open && !this.over) this.webSocket.send(writer.written.slice())
    writer.clear()
  }

  private take(data: unknown): void {
    if (this.over) return
    this.heard = true
    try {
      if (!(data instanceof ArrayBuffer)) throw new HeddleError("EPROTO", "The node sent a text message")
      const { reader } = this
      reader.reset(new Uint8Array(data))
      for (let type = reader.next(); type !== -1 && !this.over; type = reader.next()) this.sink.record(type, reader)
    } catch (error) {
      const { code, message } = error as HeddleError
      this.fail(
        new HeddleError(code ?? "EPROTO", `Connection to ${this.url}: ${message}`, { address: this.url, cause: error }),
      )
    }
  }

  /** Has anything been heard since the last look? */
  private look(): void {
    if (this.heard) {
      this.heard = false
      this.asked = false
      return
    }
    if (!this.asked && this.open) {
      this.asked = true
      this.begin(PING).varint(0)
      this.end()
      return
    }
    this.fail(
      new HeddleError("ETIMEDOUT", `Connection to ${this.url}: the node has not answered`, { address: this.url }),
    )
  }

  private fail(error: HeddleError): void {
    this.shut(4000)
    this.finish(GAVE_UP, error)
  }

  private shut(code: number): void {
    try {
      this.webSocket.close(code)
    } catch {
      // It was not open yet, and some implementations mind.
    }
  }

  private ended(code: number, reason: string): void {
    const said =
      reason !== ""
        ? reason
        : this.why !== ""
          ? this.why
          : this.open
            ? "it broke"
            : "nobody listens there, or this page may not connect"
    this.finish(
      code,
      new HeddleError(this.open ? "ECONNRESET" : "ECONNREFUSED", `Connection to ${this.url}: ${said}`, {
        address: this.url,
      }),
    )
  }

  private finish(code: number, error: HeddleError): void {
    if (this.over) return
    this.over = true
    this.open = false
    clearInterval(this.timer)
    this.sink.closed(code, error)
  }
}
