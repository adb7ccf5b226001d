/**
 * A strict reader of Prometheus' text format 0.0.4, written from its description: it throws for whatever a scraper might
 * refuse or misread.
 */
export interface ReadFamily {
  readonly help: string
  readonly type: string
  /** Values by name and sorted labels: `a_total{x="1"}`. */
  readonly samples: Map<string, number>
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y

export function readPrometheus(text: string): Map<string, ReadFamily> {
  const families = new Map<string, ReadFamily>()
  if (text === "") return families
  if (!text.endsWith("\n") || text.includes("\r")) throw new Error("each line ends with a line feed, the last one too")
  let help: string[] | null = null
  let name = ""
  for (const line of text.slice(0, -1).split("\n")) {
    const about = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line)
    if (about?.[1] === "HELP") {
      if (/\\(?![\\n])/.test(about[3].replaceAll("\\\\", ""))) throw new Error(`a bad escape in ${line}`)
      help = [about[2], about[3]]
    } else if (about !== null) {
      if (help?.[0] !== about[2]) throw new Error(`${about[2]} has no HELP before its TYPE`)
      if (!["counter", "gauge", "histogram"].includes(about[3])) throw new Error(`no type: ${about[3]}`)
      if (families.has(about[2])) throw new Error(`${about[2]} comes in two places`)
      name = about[2]
      families.set(name, { help: help[1], type: about[3], samples: new Map() })
    } else sample(line, name, families.get(name))
  }
  for (const [title, family] of families) if (family.type === "histogram") checkHistogram(title, family)
  return families
}

function sample(line: string, name: string, family: ReadFamily | undefined): void {
  const found = SAMPLE.exec(line)
  if (found === null || family === undefined) throw new Error(`not understood: ${line}`)
  const [, own, labels = "", value] = found
  const allowed = family.type === "histogram" ? ["_bucket", "_sum", "_count"].map(end => name + end) : [name]
  if (!allowed.includes(own)) throw new Error(`${own} stands among the samples of ${name}`)
  const key = `${own}{${pairs(labels).join(",")}}`
  if (family.samples.has(key)) throw new Error(`${key} comes twice`)
  family.samples.set(key, numberOf(value))
}

function pairs(text: string): string[] {
  const found: string[] = []
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text)
    if (match === null) throw new Error(`bad labels: ${text}`)
    found.push(`${match[1]}=${match[2].replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char))}`)
  }
  if (text.endsWith(",")) throw new Error(`bad labels: ${text}`)
  if (new Set(found.map(pair => pair.split("=", 1)[0])).size < found.length) throw new Error(`a label twice: ${text}`)
  return found.sort()
}

function numberOf(text: string): number {
  if (text === "+Inf" || text === "-Inf") return Number(`${text}inity`)
  if (text === "NaN") return Number.NaN
  if (!/^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/.test(text)) throw new Error(`no number: ${text}`)
  return Number(text)
}

/** Buckets grow with their bounds, the last is +Inf and is what _count says. */
function checkHistogram(name: string, { samples }: ReadFamily): void {
  const series = new Map<string, [number, number][]>()
  for (const [key, value] of samples) {
    if (!key.startsWith(`${name}_bucket{`)) continue
    const labels = key.slice(`${name}_bucket{`.length, -1).split(",")
    const le = labels.find(label => label.startsWith("le="))
    if (le === undefined) throw new Error(`${key} has no le`)
    const rest = labels.filter(label => label !== le).join(",")
    series.set(rest, [...(series.get(rest) ?? []), [numberOf(le.slice(3)), value]])
  }
  for (const [labels, buckets] of series) {
    for (const [at, [bound, value]] of buckets.entries()) {
      if (at > 0 && (bound <= buckets[at - 1][0] || value < buckets[at - 1][1]))
        throw new Error(`${name}: buckets shrink`)
    }
    const [bound, value] = buckets[buckets.length - 1]
    if (bound !== Number.POSITIVE_INFINITY || samples.get(`${name}_count{${labels}}`) !== value) {
      throw new Error(`${name}{${labels}}: _count is not the last bucket`)
    }
    if (!samples.has(`${name}_sum{${labels}}`)) throw new Error(`${name}{${labels}} has no sum`)
  }
}
