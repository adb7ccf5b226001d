export function sourceOf(host: string, port: number): string {
  return `${host} ${port}`
}

/** Host and port of what `sourceOf` made of them. */
export function partsOf(source: string): { host: string; port: number } {
  const cut = source.lastIndexOf(" ")
  return { host: source.slice(0, cut), port: Number(source.slice(cut + 1)) }
}
