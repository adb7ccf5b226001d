import type { Context } from "./context.ts"

/**
 * What a socket class takes as constructor options: each of its option properties, and the context. Methods and
 * read-only members are left out.
 */
export type SocketOptions<S> = Partial<Pick<S, OptionKeys<S>>> & { context?: Context }

type OptionKeys<S> = {
  [K in keyof S]-?: S[K] extends (...args: never[]) => unknown ? never : IsWritable<S, K> extends true ? K : never
}[keyof S]

type IsWritable<S, K extends keyof S> =
  Equal<{ [P in K]: S[K] }, { -readonly [P in K]: S[K] }> extends true
    ? Equal<Pick<S, K>, { -readonly [P in K]: S[K] }>
    : false

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
