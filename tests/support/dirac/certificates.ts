import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A certificate and its private key, PEM files. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Files of a private authority and of what it has signed. */
export interface GridCertificates {
  /** Directory of authorities as `X509_CERT_DIR` names it, with links by hash. */
  readonly authorities: string;
  readonly host: KeyPair;
  readonly user: KeyPair;
  /** The certificate of the user again, its key encrypted. */
  readonly lockedUser: KeyPair & { readonly password: string };
}

/** Distinguished names, as `shared.cfg` registers them. */
const ORGANISATION = "/C=ch/O=DIRAC/OU=DIRAC CI";

/** Makes them in `directory`, as a certificate authority of grids does. Keys are RSA: proxies of DIRAC are. */
export function makeGridCertificates(directory: string): GridCertificates {
  const authorities = join(directory, "authorities");
  mkdirSync(authorities, { recursive: true });
  const at = (name: string): string => join(directory, name);
  const openssl = (...args: readonly string[]): string =>
    execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  const request = ["-newkey", "rsa:2048", "-nodes"];
  const ca = join(authorities, "ca.pem");
  const authority = ["-days", "91", "-subj", `${ORGANISATION}/CN=DIRAC CI CA`, "-keyout", at("ca.key"), "-out", ca];
  openssl("req", "-x509", ...request, ...authority);
  symlinkSync("ca.pem", join(authorities, `${openssl("x509", "-hash", "-noout", "-in", ca)}.0`));
  const sign = (name: string, commonName: string, extensions: readonly string[]): KeyPair => {
    const [cert, key] = [at(`${name}cert.pem`), at(`${name}key.pem`)];
    openssl("req", ...request, "-subj", `${ORGANISATION}/CN=${commonName}`, "-keyout", key, "-out", at(`${name}.csr`));
    writeFileSync(at(`${name}.ext`), `${extensions.join("\n")}\n`);
    const out = ["-days", "90", "-extfile", at(`${name}.ext`), "-out", cert];
    openssl("x509", "-req", "-in", at(`${name}.csr`), "-CA", ca, "-CAkey", at("ca.key"), "-CAcreateserial", ...out);
    chmodSync(key, 0o400);
    return { cert, key };
  };
  const usage = "keyUsage=critical,digitalSignature,keyEncipherment";
  const host = sign("host", "localhost", [usage, "subjectAltName=DNS:localhost"]);
  const user = sign("user", "ciuser", [usage]);
  const password = "correct horse";
  const locked = at("lockedkey.pem");
  openssl("rsa", "-aes256", "-passout", `pass:${password}`, "-in", user.key, "-out", locked);
  chmodSync(locked, 0o400);
  return { authorities, host, user, lockedUser: { cert: user.cert, key: locked, password } };
}
