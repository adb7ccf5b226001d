import { CONVERTERS } from "../converters/converters.ts"
import { PREDICATES, TRANSFORMS } from "../transforms/registry.ts"
import type { Registries } from "./classes.ts"

/** All classes that a configuration may name. */
export const REGISTRIES: Registries = { transforms: TRANSFORMS, predicates: PREDICATES, converters: CONVERTERS }
