import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Files of a private authority and of what it has signed, all PEM. */
export interface Certificates {
  readonly ca: string;
  /** For `localhost`. */
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/** Makes them in `directory`, as an administrator would. */
export function makeCertificates(directory: string): Certificates {
  const at = (name: string): string => join(directory, name);
  const openssl = (...args: readonly string[]): void => {
    execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-days", "2", "-subj", "/CN=Test CA", "-keyout", at("ca.key"), "-out", at("ca.pem"));
  const sign = (name: string, subject: string): void => {
    openssl("req", ...key, "-subj", `/CN=${subject}`, "-keyout", at(`${name}.key`), "-out", at(`${name}.csr`));
    writeFileSync(at(`${name}.ext`), `subjectAltName=DNS:${subject}\n`);
    const issuer = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial"];
    const out = ["-days", "2", "-extfile", at(`${name}.ext`), "-out", at(`${name}.pem`)];
    openssl("x509", "-req", "-in", at(`${name}.csr`), ...issuer, ...out);
  };
  sign("server", "localhost");
  sign("client", "bartender");
  return {
    ca: at("ca.pem"),
    serverCert: at("server.pem"),
    serverKey: at("server.key"),
    clientCert: at("client.pem"),
    clientKey: at("client.key"),
  };
}
