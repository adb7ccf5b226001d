import type { ERROR_KEYS } from "./error-keys.ts"
import type { Settings } from "./keys.ts"
import type { Section } from "./section.ts"

export type ErrorSettings = Settings<typeof ERROR_KEYS>

/** What of errors.* does not fit together. */
export function retries(section: Section, settings: ErrorSettings): void {
  if (settings.errorsRetryDelayMinMs > settings.errorsRetryDelayMaxMs) {
    section.complain("errors.retry.delay.min.ms", "must not be longer than errors.retry.delay.max.ms")
  }
  if (settings.errorsTolerance !== "none") return
  for (const name of ["errors.deadletterqueue.topic.name", "errors.deadletterqueue.subject"]) {
    if (section.has(name)) section.complain(name, 'gets nothing unless errors.tolerance is "all"')
  }
}
