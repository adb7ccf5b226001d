import type { Route } from "../mapping/routes.ts"
import type { BridgeMetrics } from "./bridge-metrics.ts"

/** Routes of a sink, or topics of a source, with what each has brought. They are of the configuration: there are no more than it names. */
export function readRoutes(
  metrics: BridgeMetrics,
  connector: string,
  routes: Iterable<{ readonly route: string; readonly topic: string; readonly records: () => number }>,
): void {
  // Two routes may have the same labels, and those that found no room have one series together.
  const readers = new Map<object, (() => number)[]>()
  for (const { route, topic, records } of routes) {
    const metric = metrics.routed.with({ connector, route, topic })
    const all = readers.get(metric) ?? []
    all.push(records)
    readers.set(metric, all)
    metric.read = () => all.reduce((sum, read) => sum + read(), 0)
  }
}

/** As `readRoutes` takes them: by pattern, and by the template of the topic. */
export function* routesOf(
  routes: readonly Route[],
): Generator<{ route: string; topic: string; records: () => number }> {
  for (const route of routes) yield { route: route.pattern, topic: route.topic.source, records: () => route.records }
}
