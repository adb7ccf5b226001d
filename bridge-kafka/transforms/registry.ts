import { HeddleError } from "../../core/errors.ts"
import { CAST } from "./cast.ts"
import { DROP_HEADERS } from "./drop-headers.ts"
import { EXTRACT_FIELD } from "./extract-field.ts"
import { FILTER } from "./filter.ts"
import { HAS_HEADER_KEY } from "./has-header-key.ts"
import { HEADER_FROM } from "./header-from.ts"
import { INSERT_HEADER } from "./insert-header.ts"
import { MASK_FIELD } from "./mask-field.ts"
import { MODULE } from "./module.ts"
import { RECORD_IS_TOMBSTONE } from "./record-is-tombstone.ts"
import { REGEX_ROUTER } from "./regex-router.ts"
import { REPLACE_FIELD } from "./replace-field.ts"
import { SUBJECT_MATCHES } from "./subject-matches.ts"
import { SUBJECT_ROUTER } from "./subject-router.ts"
import { TIMESTAMP_ROUTER } from "./timestamp-router.ts"
import { TOPIC_NAME_MATCHES } from "./topic-name-matches.ts"
import type { PredicateClass, TransformClass } from "./transform.ts"
import { VALUE_TO_KEY } from "./value-to-key.ts"

/** All that `transforms.x.type` may name. */
export const TRANSFORMS: readonly TransformClass[] = [
  ...CAST,
  DROP_HEADERS,
  ...EXTRACT_FIELD,
  FILTER,
  ...HEADER_FROM,
  INSERT_HEADER,
  ...MASK_FIELD,
  REGEX_ROUTER,
  ...REPLACE_FIELD,
  SUBJECT_ROUTER,
  TIMESTAMP_ROUTER,
  VALUE_TO_KEY,
  MODULE,
]

/** All that `predicates.x.type` may name. */
export const PREDICATES: readonly PredicateClass[] = [
  HAS_HEADER_KEY,
  RECORD_IS_TOMBSTONE,
  SUBJECT_MATCHES,
  TOPIC_NAME_MATCHES,
]

/** By its short or its full name. Throws ERR_CONFIG. */
export function findTransform(name: string): TransformClass {
  return find(TRANSFORMS, name, "transform")
}

/** By its short or its full name. Throws ERR_CONFIG. */
export function findPredicate(name: string): PredicateClass {
  return find(PREDICATES, name, "predicate")
}

function find<T extends { name: string; aliases: readonly string[] }>(
  all: readonly T[],
  name: string,
  what: string,
): T {
  const found = all.find(one => one.name === name || one.aliases.includes(name))
  if (found !== undefined) return found
  const variants = all.filter(one => one.name.startsWith(`${name.slice(name.lastIndexOf(".") + 1)}$`))
  const names = (variants.length > 0 ? variants : all).map(one => one.name)
  throw new HeddleError("ERR_CONFIG", `There is no ${what} ${JSON.stringify(name)}; there are ${names.join(", ")}`)
}
