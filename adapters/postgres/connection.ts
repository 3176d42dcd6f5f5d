import { Socket } from "node:net";
import { hostname } from "node:os";
import process from "node:process";
import postgres from "postgres";
import { NOT_CONNECTED } from "./errors.ts";
import type { PostgresSettings, PostgresTls } from "./settings.ts";

/** Session parameters that everything else relies on. */
const SESSION = { TimeZone: "UTC", DateStyle: "ISO, YMD" } as const;

/** Object ids of types, https://www.postgresql.org/docs/15/catalog-pg-type.html */
const TIMESTAMPTZ = 1184;

export interface ConnectionOptions {
  readonly settings: PostgresSettings;
  /** Milliseconds after which the server gives a statement up; 0 for never. */
  readonly statementTimeoutMs: number;
  /** Called once when the connection has ended, whoever ended it. */
  readonly onClosed?: () => void;
}

/**
 * One connection to a PostgreSQL server, made with the first statement. It is not made again: postgres.js mixes the
 * remains of a broken connection into its successor, so whoever lost one makes another of these.
 */
export class PostgresConnection {
  /** For Kysely, which reserves it for its transactions. */
  readonly sql: postgres.Sql;
  readonly #sockets = new Set<Socket>();
  readonly #onClosed: () => void;
  #hasConnected = false;
  #isOpen = true;

  constructor(options: ConnectionOptions) {
    const { settings } = options;
    this.#onClosed = options.onClosed ?? (() => {});
    this.sql = postgres({
      host: settings.host,
      port: settings.port,
      user: settings.user,
      pass: settings.password,
      database: settings.base,
      ssl: tlsOptions(settings.tls),
      max: 1,
      max_pipeline: 0,
      prepare: settings.prepare,
      connect_timeout: settings.connectTimeoutMs / 1_000,
      idle_timeout: 0,
      max_lifetime: 0,
      keep_alive: 15,
      backoff: () => 0,
      fetch_types: false,
      target_session_attrs: undefined,
      types: { timestamp: timestampType },
      onnotice: () => {},
      onclose: () => this.#closed(),
      connection: {
        application_name: applicationName(),
        statement_timeout: options.statementTimeoutMs,
        ...settings.parameters,
        ...SESSION,
      },
      socket: () => this.#connect(settings),
    } as postgres.Options<Record<string, postgres.PostgresType>>);
  }

  /** False once the connection has ended; then every statement would fail. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Runs one statement. @throws errors of postgres.js and of the socket */
  async query(text: string, values: readonly unknown[]): Promise<readonly Record<string, unknown>[]> {
    const parameters = values as postgres.ParameterOrJSON<never>[];
    return await this.sql.unsafe(text, parameters, { prepare: true });
  }

  /** Says good-bye to the server; statements under way are lost. */
  async end(): Promise<void> {
    await this.sql.end({ timeout: 0 });
    this.destroy();
  }

  /** Lets go at once, also of a server that does not answer any more. */
  destroy(): void {
    this.#closed();
    // Rejects what is under way; its own good-bye is lost with the sockets.
    void this.sql.end({ timeout: 0 }).catch(() => {});
    for (const socket of this.#sockets) socket.destroy();
  }

  #connect(settings: PostgresSettings): Socket {
    // postgres.js connects again, and again, when a connection ends before its first statement was sent.
    if (this.#hasConnected) throw Object.assign(new Error("the server ended the connection"), { code: NOT_CONNECTED });
    this.#hasConnected = true;
    const socket = new Socket();
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    if (settings.host.startsWith("/")) socket.connect(`${settings.host}/.s.PGSQL.${settings.port}`);
    else socket.connect(settings.port, settings.host);
    // postgres.js takes the name that the server's certificate must have from here.
    return Object.assign(socket, { host: settings.host });
  }

  #closed(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#onClosed();
  }
}

/** Times stay the text that they are in the session's format, put into ISO 8601. */
const timestampType = {
  to: TIMESTAMPTZ,
  from: [TIMESTAMPTZ],
  serialize: (value: string) => value,
  parse: (text: string) => text.replace(" ", "T").replace(/\+00$/, "Z"),
};

/** What `pg_stat_activity` shows, and so what a second daemon can say about the first. */
function applicationName(): string {
  return `bartender ${process.pid} on ${hostname()}`;
}

function tlsOptions(tls: PostgresTls): "prefer" | false | object {
  if (tls.mode === "disable") return false;
  if (tls.mode === "prefer" && tls.ca === undefined && tls.cert === undefined) return "prefer";
  const isVerified = tls.mode === "verify-ca" || tls.mode === "verify-full";
  return {
    ca: tls.ca,
    cert: tls.cert,
    key: tls.key,
    rejectUnauthorized: isVerified,
    ...(tls.mode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
  };
}
