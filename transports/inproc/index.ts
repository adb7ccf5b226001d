export { type InprocOptions, InprocTransport } from "./transport.ts"
