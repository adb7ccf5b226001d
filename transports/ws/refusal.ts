/** Headers of an answer that turns a client away: in plain words, and the connection ends with it. */
export function refusalHeaders(status: number): Record<string, string> {
  return {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    connection: "close",
    // RFC 6455, 4.4: which version would do.
    ...(status === 426 && { upgrade: "websocket", "sec-websocket-version": "13" }),
  }
}
