/** A Map that forgets what was added first when it would have more than `limit` entries. */
export class BoundedMap<K, V> {
  private readonly limit: number
  private readonly map = new Map<K, V>()

  constructor(limit: number) {
    this.limit = limit
  }

  get size(): number {
    return this.map.size
  }

  get(key: K): V | undefined {
    return this.map.get(key)
  }

  set(key: K, value: V): void {
    if (!this.map.has(key) && this.map.size >= this.limit) {
      for (const oldest of this.map.keys()) {
        this.map.delete(oldest)
        break
      }
    }
    this.map.set(key, value)
  }

  delete(key: K): void {
    this.map.delete(key)
  }
}
