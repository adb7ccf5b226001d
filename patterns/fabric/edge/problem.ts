import type { ErrorCode, HeddleError } from "../../../core/errors.ts"

/** Statuses of HTTP for errors of the fabric; all else is 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  EINVAL: 400,
  EPROTO: 400,
  ERR_CODEC: 400,
  ERR_VALIDATION: 422,
  EACCES: 403,
  ENOENT: 404,
  EMSGSIZE: 413,
  EAGAIN: 429,
  // The handler of a server threw: the edge is only between.
  ERR_REMOTE: 502,
  ECONNRESET: 502,
  ERR_NO_RESPONDERS: 503,
  EBUSY: 503,
  EBADF: 503,
  ECANCELED: 503,
  ETIMEDOUT: 504,
}

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
}

export function statusOf({ code }: HeddleError): number {
  return STATUS[code] ?? 500
}

/** RFC 9457, with the code of the error besides. */
export function problemOf(status: number, code: string, detail: string, more: object = {}): string {
  return `${JSON.stringify({ title: TITLES[status] ?? "Internal Server Error", status, code, detail, ...more })}\n`
}
