import { execFileSync } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import { temporaryFolder } from "../../support/folders.ts"

/** PEM text of an authority, and of what it signed. */
export interface Certificates {
  readonly ca: string
  readonly server: { readonly key: string; readonly cert: string }
  readonly client: { readonly key: string; readonly cert: string }
}

let made: Certificates | null = null

/** Made once by openssl: a server for localhost and 127.0.0.1, and a client. */
export function certificates(): Certificates {
  made ??= make()
  return made
}

export function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

function make(): Certificates {
  const folder = temporaryFolder()
  const file = (name: string): string => path.join(folder, name)
  const openssl = (...args: string[]): unknown => execFileSync("openssl", args, { stdio: "ignore", cwd: folder })
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-days",
    "2",
    "-subj",
    "/CN=Heddle test authority",
  )
  fs.writeFileSync(file("names.txt"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
  const signed = (name: string): { key: string; cert: string } => {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`)
    openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
      ...["-out", `${name}.pem`, "-days", "2", "-extfile", "names.txt"],
    )
    return { key: fs.readFileSync(file(`${name}.key`), "utf8"), cert: fs.readFileSync(file(`${name}.pem`), "utf8") }
  }
  return { ca: fs.readFileSync(file("ca.pem"), "utf8"), server: signed("server"), client: signed("client") }
}
