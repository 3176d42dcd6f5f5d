import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { FileSystemConfig } from "../../../src/config/config.ts";
import { mutatedProgram } from "../../support/built_program.ts";
import { type DaemonProcess, startDaemon, zipFile } from "../../support/daemon_process.ts";
import { pauseMs } from "../../support/eventually.ts";
import { CLOCK_FILE, COPIES_FILE, FAULT_FILE, REACHED_FILE } from "../../support/fault_points.ts";
import type { Change } from "../../support/mutated_copy.ts";
import type { PostgresServer } from "../../support/postgres_server.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { type LedgerLine, readLedger } from "./ledger.ts";

/** How long a daemon and its users wait: ten daemons start and die at a time, on a machine that may be busy with more. */
export const PATIENCE_MS = 150_000;

const FAULT_MAIN = resolve(import.meta.dir, "../../support/fault_main.ts");

/** What a command does between its start and its end. */
export type Work = "short" | "gated" | "endless";

export type Database = "sqlite" | PostgresServer;

export interface FaultWorldOptions {
  readonly database: Database;
  /** YAML. */
  readonly scheduler: string;
  /** Commands that the destination runs at a time, where it minds that. */
  readonly slots?: number;
  /** Ends commands that run longer. */
  readonly maxRuntimeS?: number;
  /** A file system to copy to. */
  readonly copies?: Extract<FileSystemConfig, { type: "sftp" }>;
  /** Faults that somebody could make, in the sources of the daemon. */
  readonly mutation?: readonly Change[];
}

/** An answer to a request that was repeated until there was one. */
export interface Answer {
  readonly status: number;
  readonly location: string;
  readonly body: unknown;
  /** True when an earlier try may have been received although its answer was lost. */
  readonly isRepeated: boolean;
}

/** A daemon that dies on purpose, users who do not give up, and a ledger that its commands keep. */
export interface FaultWorld extends AsyncDisposable {
  readonly daemon: DaemonProcess;
  readonly options: FaultWorldOptions;
  readonly jobRoot: string;
  /** What the commands wrote themselves, in order. */
  ledger(): readonly LedgerLine[];
  /** Lets the daemon, this one or the next, meet a fault; undefined: none any more. */
  arm(fault: string | undefined): void;
  /** True when a call has come to the point of this fault since it was armed. */
  hasReached(fault: string): boolean;
  /** Lets the daemon believe that it is later by so much, or earlier. */
  stepClock(byMs: number): void;
  /** Asks as `user`, again and again while the daemon or its database is away. */
  ask(user: string, method: string, path: string, init?: RequestInit): Promise<Answer>;
  /** Submits a command that ends with `code`, unless it is ended. @returns its job, one for each key */
  submit(user: string, key: string, work: Work, code: number): Promise<number>;
  /** Lets gated commands go on, those of now and later, or not. */
  setGate(isOpen: boolean): void;
  /** Rows of the database, read beside the daemon. */
  sql(text: string): Promise<readonly Record<string, unknown>[]>;
}

export async function faultWorld(options: FaultWorldOptions): Promise<FaultWorld> {
  using resources = new DisposableStack();
  const dir = resources.use(tempDir());
  const ledgerFile = join(dir.path, "ledger");
  const gateFile = join(dir.path, "gate");
  const faults = join(dir.path, "faults");
  mkdirSync(faults);
  if (options.copies !== undefined) writeFileSync(join(faults, COPIES_FILE), JSON.stringify(options.copies));
  const { database } = options;
  const databaseUrl = database === "sqlite" ? undefined : await database.createDatabase();
  const { mutation } = options;
  const daemon = await startDaemon({
    config: configText(dir.path, options),
    main: mutation === undefined ? FAULT_MAIN : await mutatedProgram(FAULT_MAIN, mutation),
    patienceMs: PATIENCE_MS,
    env: { FAULTS: faults, ...(databaseUrl === undefined ? {} : { BARTENDER_DB_URL: databaseUrl }) },
  });
  const tokens = new Map<string, Promise<string>>();
  const tokenOf = (user: string): Promise<string> => {
    const token = tokens.get(user) ?? daemon.token({ sub: user, exp: 4_102_444_800 });
    tokens.set(user, token);
    return token;
  };
  const ask: FaultWorld["ask"] = async (user, method, path, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${await tokenOf(user)}`);
    // A kept connection to a dead daemon would be tried again behind our back.
    headers.set("connection", "close");
    let isRepeated = false;
    const fromMs = performance.now();
    for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs = performance.now() - fromMs) {
      if (waitedMs > 0) await Bun.sleep(pauseMs(waitedMs));
      try {
        const response = await daemon.call(method, path, { ...init, headers });
        const text = await response.text();
        if (response.status === 503) continue;
        const body: unknown = response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
        return { status: response.status, location: response.headers.get("location") ?? "", body, isRepeated };
      } catch {
        isRepeated = true;
      }
    }
    throw new Error(`No answer to ${method} ${path} for ${PATIENCE_MS / 1000} s`);
  };

  const kept = resources.move();
  return {
    daemon,
    jobRoot: join(daemon.directory, "jobs"),
    options,
    ledger: () => (existsSync(ledgerFile) ? readLedger(readFileSync(ledgerFile, "utf8")) : []),
    arm(fault) {
      rmSync(join(faults, REACHED_FILE), { force: true });
      if (fault === undefined) rmSync(join(faults, FAULT_FILE), { force: true });
      else writeFileSync(join(faults, FAULT_FILE), fault);
    },
    hasReached: (fault) =>
      existsSync(join(faults, REACHED_FILE)) && readFileSync(join(faults, REACHED_FILE), "utf8") === fault,
    stepClock: (byMs) => writeFileSync(join(faults, CLOCK_FILE), String(byMs)),
    ask,
    async submit(user, key, work, code) {
      const body = new FormData();
      body.set("upload", zipFile({ "input.txt": key }));
      body.set("code", String(code));
      const path = `/api/application/${work}`;
      const answer = await ask(user, "PUT", path, { body, headers: { "idempotency-key": key } });
      if (answer.status !== 303) throw new Error(`PUT ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return Number(answer.location.split("/").at(-1));
    },
    setGate(isOpen) {
      if (isOpen) writeFileSync(gateFile, "");
      else rmSync(gateFile, { force: true });
    },
    async sql(text) {
      if (database !== "sqlite" && databaseUrl !== undefined) return await database.sql(databaseUrl, text);
      using db = new DatabaseSync(join(daemon.directory, "bartender.db"), { readOnly: true });
      return db.prepare(text).all() as Record<string, unknown>[];
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      kept.dispose();
    },
  };
}

/** Commands note their start and their end, also when they are ended. */
function configText(directory: string, { scheduler, maxRuntimeS }: FaultWorldOptions): string {
  const note = (what: string): string => `echo ${what} >>${directory}/ledger`;
  const application = (work: Work, line: string): string => `  ${work}:
    command_template: >-
      trap '${note("end $BARTENDER_ATTEMPT 143")}; exit 143' TERM; ${note("start $BARTENDER_ATTEMPT $$")};
      ${line}; ${note("end $BARTENDER_ATTEMPT {{ code }}")}; exit {{ code }}
    input_schema: {type: object, required: [code], properties: {code: {type: integer}}}
`;
  return `job_root_dir: jobs
applications:
${application("short", "sleep 0.05 & wait")}
${application("gated", `while [ ! -e ${directory}/gate ]; do sleep 0.05 & wait; done`)}
${application("endless", "sleep 600 & wait")}
destinations:
  only:
    scheduler: ${scheduler}
    filesystem: {type: local}
    retry: {initial_delay: 1, max_delay: 1}
${maxRuntimeS === undefined ? "" : `    max_runtime: ${maxRuntimeS}`}
`;
}
