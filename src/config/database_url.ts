import { resolve } from "node:path";

/** Where jobs are stored. */
export type DatabaseConfig =
  | {
      readonly kind: "sqlite";
      /** Absolute path, or `:memory:` for one that is forgotten at the end. */
      readonly path: string;
    }
  | {
      readonly kind: "postgres";
      /** `postgres://user:password@host:port/base`; holds a password. */
      readonly url: string;
    };

export type DatabaseUrl =
  | { readonly isValid: true; readonly database: DatabaseConfig }
  | { readonly isValid: false; readonly reason: string };

/**
 * Reads `sqlite:<path>` (relative to `workingDirectory`), `postgres://…` or `postgresql://…`. What is refused is
 * not shown, since it may hold a password.
 */
export function parseDatabaseUrl(text: string, workingDirectory: string): DatabaseUrl {
  const sqlite = /^sqlite:(.*)$/s.exec(text)?.[1];
  if (sqlite !== undefined) {
    if (sqlite === "" || /^\/\/(?!\/)/.test(sqlite) || sqlite.includes("\0")) {
      return {
        isValid: false,
        reason: "expected a path after sqlite:, e.g. sqlite:bartender.db or sqlite:/srv/bartender.db",
      };
    }
    const path = sqlite === ":memory:" ? sqlite : resolve(workingDirectory, sqlite);
    return { isValid: true, database: { kind: "sqlite", path } };
  }
  if (/^postgres(ql)?:\/\//i.test(text)) {
    if (URL.canParse(text) && new URL(text).hostname !== "") {
      return { isValid: true, database: { kind: "postgres", url: text } };
    }
    return {
      isValid: false,
      reason: "expected postgres://user:password@host:port/base, got one with a bad host or port",
    };
  }
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1];
  const got = scheme === undefined ? "no scheme" : `${scheme}:`;
  return { isValid: false, reason: `expected sqlite:<path> or postgres://…, got ${got}` };
}

export interface PostgresParts {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly base: string;
}

/** The address of a PostgreSQL database from its parts, special characters escaped. */
export function postgresUrl(parts: PostgresParts): string {
  const [user, password, base] = [parts.user, parts.password, parts.base].map(encodeURIComponent);
  // IPv6 addresses stand in brackets; a directory with a Unix socket is escaped.
  const host = parts.host.includes(":") ? `[${parts.host}]` : encodeURIComponent(parts.host);
  return `postgres://${user}:${password}@${host}:${parts.port}/${base}`;
}

/** The database for logs and summaries, without login and password. */
export function describeDatabase(database: DatabaseConfig): string {
  if (database.kind === "sqlite") {
    return `sqlite:${database.path}`;
  }
  const { host, pathname } = new URL(database.url);
  return `postgres://${host}${pathname}`;
}
