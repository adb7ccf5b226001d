import { checkGroup } from "../../../core/subject.ts"
import type { PolicyName } from "../backlog.ts"
import { SERVE_OPTIONS, SUBSCRIBE_OPTIONS } from "../call-options.ts"
import { checkUserPattern } from "../reserved.ts"
import { checkNames, invalid, type ServeOptions, type SubscribeOptions, whole } from "./options.ts"
import type { ServiceSpec } from "./service.ts"
import type { SubscriptionSpec } from "./subscription.ts"

const POLICIES: readonly PolicyName[] = ["drop-new", "drop-old", "conflate", "keep-last"]

/** What `subscribe` was asked for; `limit` is the client's `highWaterMark`. Throws EINVAL. */
export function subscriptionOf(pattern: string, options: SubscribeOptions, limit: number): SubscriptionSpec {
  checkNames("subscribe", options, SUBSCRIBE_OPTIONS)
  checkUserPattern(pattern)
  const { queue, policy = "drop-new" } = options
  if (!POLICIES.includes(policy))
    throw invalid(`policy is ${String(policy)}; a page takes one of ${POLICIES.join(", ")}`)
  const history = options.history === "last" ? 1 : whole("history", options.history, 0, 0)
  if (queue !== undefined) {
    checkGroup(queue)
    if (history > 0)
      throw invalid("a member of a queue group cannot ask for history: it would get what others have done")
  }
  return {
    pattern,
    queue: queue ?? "",
    history,
    policy: {
      policy,
      limit: whole("limit", options.limit, limit, 1),
      keep: whole("keep", options.keep, 1, 1),
      ttl: whole("ttl", options.ttl, 0, 0),
    },
    concurrency: whole("concurrency", options.concurrency, 1, 1),
    max: whole("max", options.max, 0, 0),
  }
}

/** What `serve` was asked for. Throws EINVAL. */
export function serviceOf(subject: string, options: ServeOptions): ServiceSpec {
  checkNames("serve", options, SERVE_OPTIONS)
  checkUserPattern(subject)
  if (options.queue !== undefined) checkGroup(options.queue)
  return {
    subject,
    queue: options.queue ?? "",
    concurrency: whole("concurrency", options.concurrency, 0, 0),
    limit: whole("limit", options.limit, 1_000, 0),
  }
}
