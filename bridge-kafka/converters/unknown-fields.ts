import type { ConfigKey } from "../config/keys.ts"

export const UNKNOWN_FIELDS_KEY = {
  name: "unknown.fields",
  type: "string",
  values: ["fail", "drop"],
  default: "fail",
  doc: "What to do with a value that has fields its schema does not know: set the record aside, or store it without them.",
} as const satisfies ConfigKey
