import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lastingPort } from "../lasting_port.ts";

/** Ports of the server by the name that `@…@` has in the templates. */
export type DiracPorts = ReadonlyMap<string, number>;

const NAMED_PORT = /@([A-Z][A-Za-z]+)@/g;

/** Chooses a port for each that the templates name. */
export async function choosePorts(): Promise<DiracPorts> {
  const ports = new Map<string, number>();
  for (const template of ["shared.cfg", "server.cfg"]) {
    for (const [, name = ""] of readTemplate(template).matchAll(NAMED_PORT)) {
      if (/[a-z]/.test(name) && !ports.has(name)) ports.set(name, await lastingPort());
    }
  }
  return ports;
}

/**
 * Writes a configuration file with the values for its `@…@`.
 *
 * @throws Error when the template names something else
 */
export function writeConfiguration(
  template: string,
  path: string,
  ports: DiracPorts,
  values: Readonly<Record<string, string>>,
): void {
  const text = readTemplate(template).replace(/@([A-Za-z_]+)@/g, (_, name: string) => {
    const value = ports.get(name)?.toString() ?? values[name];
    if (value === undefined) throw new Error(`${template}: no value for @${name}@`);
    return value;
  });
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
}

function readTemplate(name: string): string {
  return readFileSync(join(import.meta.dir, name), "utf8");
}
