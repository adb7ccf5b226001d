import { parseEndpoint } from "../../../core/endpoint.ts"
import type { Announcement } from "./discovery.ts"

/** 16 random bytes in base64url. */
const NODE = /^[A-Za-z0-9_-]{22}$/
/** A node listens at a handful of addresses; more is a mistake or an attempt to make others dial at random. */
const MAX_ENDPOINTS = 16
/** Longer than any path of a Unix socket (107) and any host name (253) with scheme and port. */
const MAX_ENDPOINT = 300
/** Characters. Names are for people to read. */
const MAX_NAME = 256

/** Any character that cannot be in an endpoint: it would end up in messages and logs. */
const UNPRINTABLE = /[\p{C}\p{Z}]/u

export function isNodeId(text: unknown): text is string {
  return typeof text === "string" && NODE.test(text)
}

/**
 * Reads what somebody else says of itself (JSON); a string says what is wrong with it. Never throws. `known`: what is
 * known of it from elsewhere, and overrules the text.
 */
export function readAnnouncement(text: string, known: Partial<Announcement> = {}): Announcement | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return "it is not JSON"
  }
  if (typeof value !== "object" || value === null) return "it is not an object"
  const { fabric, node, name, endpoints } = { ...value, ...known } as Record<string, unknown>
  if (typeof fabric !== "string" || fabric === "" || fabric.length > MAX_NAME) return "it names no fabric"
  if (!isNodeId(node)) return "its node id is not 22 characters of base64url"
  if (typeof name !== "string" || name.length > MAX_NAME)
    return `its name is no string of at most ${MAX_NAME} characters`
  if (!Array.isArray(endpoints) || endpoints.length === 0 || endpoints.length > MAX_ENDPOINTS)
    return `it has not 1 to ${MAX_ENDPOINTS} endpoints`
  if (!endpoints.every(isEndpoint)) return "one of its endpoints is none"
  return { fabric, node, name, endpoints }
}

function isEndpoint(value: unknown): value is string {
  if (typeof value !== "string" || value.length > MAX_ENDPOINT || UNPRINTABLE.test(value)) return false
  try {
    parseEndpoint(value)
    return true
  } catch {
    return false
  }
}
