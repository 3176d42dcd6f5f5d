import { commandEnvironment } from "../scheduler/command_environment.ts";

/** Families of names by which DIRAC and what it is built on find their settings and certificates. */
const FAMILIES = /^(DIRAC|X509_|GFAL_|GLOBUS_|XRD_|DAVIX_)/;

/** Single names: how an installation in a directory of its own finds its libraries and authorities. */
const NAMES = ["PYTHONPATH", "LD_LIBRARY_PATH", "OPENSSL_CONF", "SSL_CERT_DIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"];

/**
 * The environment of DIRAC's commands on this machine: an allow list, because the daemon's own environment holds secrets.
 * What names the proxy is left out: each proxy has a file of its own.
 *
 * @param source environment of the daemon
 */
export function diracEnvironment(
  source: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const families = Object.keys(source).filter((name) => FAMILIES.test(name) && name !== "X509_USER_PROXY");
  return commandEnvironment(source, [...NAMES, ...families]);
}
