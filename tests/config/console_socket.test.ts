import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { clientSocket, daemonSocket } from "../../src/config/console_socket.ts";
import { tempDir } from "../support/temp_dir.ts";

const SQLITE = { consoleSocket: undefined, database: { kind: "sqlite", path: "/data/bartender.db" } } as const;
const POSTGRES = { consoleSocket: undefined, database: { kind: "postgres", url: "postgres://db/b" } } as const;

test("the console's socket is in the runtime directory where that may be written", () => {
  using runtime = tempDir();
  expect(daemonSocket(SQLITE, "/srv/lab", runtime.path)).toEqual({
    isValid: true,
    path: join(runtime.path, "console.sock"),
  });
});

test("without a runtime directory it is beside the SQLite database, else in the working directory", () => {
  const path = (settings: Parameters<typeof daemonSocket>[0]) => daemonSocket(settings, "/srv/lab", "/nowhere");
  expect(path(SQLITE)).toEqual({ isValid: true, path: "/data/bartender.db-console.sock" });
  expect(path(POSTGRES)).toEqual({ isValid: true, path: "/srv/lab/bartender-console.sock" });
});

test("a client looks in the runtime directory only when there is a socket", () => {
  using runtime = tempDir();
  const path = () => clientSocket(SQLITE, "/srv/lab", runtime.path);
  expect(path()).toEqual({ isValid: true, path: "/data/bartender.db-console.sock" });
  writeFileSync(join(runtime.path, "console.sock"), "");
  expect(path()).toEqual({ isValid: true, path: join(runtime.path, "console.sock") });
});

test("a path that is too long for a Unix socket is refused, counted in bytes", () => {
  const given = (path: string) => daemonSocket({ ...SQLITE, consoleSocket: path }, "/srv/lab", "/nowhere");
  expect(given(`/${"x".repeat(106)}`)).toMatchObject({ isValid: true });
  expect(given(`/${"ü".repeat(60)}`)).toMatchObject({
    isValid: false,
    reason: expect.stringContaining("expected a path of at most 107 bytes"),
  });
});
