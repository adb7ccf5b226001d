/** Checks that several definitions share; each ends a sentence that begins with what the user wrote. */
import { checkPattern, checkSubject } from "../../core/subject.ts"
import { KeyRule } from "../mapping/key.ts"
import { Template } from "../mapping/template.ts"
import type { ConfigValue } from "./keys.ts"

type Value = NonNullable<ConfigValue>

/** Names of bridges and connectors are tokens of subjects and parts of topics (`__hd.<bridge>.<connector>.ckpt`), whose names have 249 characters in all. */
export function name(value: Value): string | null {
  return /^[A-Za-z0-9_-]{1,64}$/.test(String(value)) ? null : "must be 1 to 64 letters, digits, - and _"
}

/** What Kafka takes (org.apache.kafka.common.internals.Topic). */
export function topic(value: Value): string | null {
  const text = String(value)
  if (text === "." || text === "..") return "must not be . or .."
  return /^[a-zA-Z0-9._-]{1,249}$/.test(text) ? null : "must be 1 to 249 letters, digits, dots, - and _"
}

export function topics(value: Value): string | null {
  return firstOf(value, topic)
}

export function topicPrefix(value: Value): string | null {
  return /^[a-zA-Z0-9._-]{0,200}$/.test(String(value)) ? null : "must be at most 200 letters, digits, dots, - and _"
}

export function patterns(value: Value): string | null {
  return firstOf(value, one => said(() => checkPattern(one)))
}

export function subject(value: Value): string | null {
  return said(() => checkSubject(String(value)))
}

/** A prefix of subjects: whole tokens, with the dot behind or without. */
export function subjectPrefix(value: Value): string | null {
  const text = String(value).replace(/\.$/, "")
  return text === "" ? null : subject(text)
}

export function notEmpty(value: Value): string | null {
  return String(value) === "" ? "must not be empty" : null
}

/** A rule for keys (mapping/key.ts). */
export function keyRule(value: Value): string | null {
  return said(() => new KeyRule(String(value)))
}

/** A template for subjects of records (mapping/template.ts). Those of topics are checked with their routes. */
export function subjectTemplate(value: Value): string | null {
  const variables = ["header", "key", "topic", "topic.unescaped", "partition"] as const
  return said(() => new Template(String(value), { use: "subject", variables }))
}

/** `fsync` of the spool: SPOOL-3. */
export function fsync(value: Value): string | null {
  return /^(?:always|never|interval:[1-9]\d{0,4}(?:ms)?)$/.test(String(value))
    ? null
    : 'must be always, never, or interval:N with N milliseconds ("interval:5ms")'
}

/** A token68 (RFC 6750, 2.1), long enough not to be guessed. The text is not repeated. */
export function bearer(value: Value): string | null {
  return /^[A-Za-z0-9._~+/-]{16,512}=*$/.test(String(value))
    ? null
    : "must be 16 to 512 letters, digits and . _ ~ + / -, with = at the end only"
}

export function acks(value: Value): string | null {
  return ["all", "-1", "0", "1"].includes(String(value)) ? null : "must be all, 1 or 0"
}

function firstOf(value: Value, check: (one: string) => string | null): string | null {
  for (const one of Array.isArray(value) ? value : [String(value)]) {
    const wrong = check(one)
    if (wrong !== null) return `${JSON.stringify(one)} ${wrong}`
  }
  return null
}

function said(check: () => unknown): string | null {
  try {
    check()
    return null
  } catch (error) {
    return `cannot be: ${(error as Error).message}`
  }
}
