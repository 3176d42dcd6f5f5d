import { type Context, Hono } from "hono";
import { DESTINATION_MODES, type DestinationMode } from "../core/destination_mode.ts";
import { type JobId, jobId, MAX_JOB_ID } from "../core/ids.ts";
import type { JsonValue } from "../core/json.ts";
import { answerTo, jsonAnswer } from "../http/answer.ts";
import type { LogDeps } from "../http/log_reader.ts";
import { Refusal } from "../http/refusal.ts";
import { type AdminService, JOB_ACTIONS, type JobActionResult } from "../ports/admin_service.ts";
import { eventStream } from "./event_lines.ts";
import { FILTERS, type FilterText, readFilter, readNumber, readQuery } from "./job_query.ts";
import { readLog } from "./read_log.ts";
import { USER_HEADER } from "./user_header.ts";
import { encode } from "./wire.ts";

export interface ConsoleDeps extends LogDeps {
  readonly admin: AdminService;
  /** Aborted when the daemon is about to stop: answers without an end have to come to one. */
  readonly stopping: AbortSignal;
}

/** What is known of who is at the other end. */
export interface ConsolePeer {
  readonly uid?: number;
}

type ConsoleRequest = Context<{ Bindings: ConsolePeer }>;

const MAX_AUDIT = 10_000;

/**
 * The console's HTTP API, for a Unix socket that only administrators can reach: whoever gets here may do everything.
 *
 * Every answer of 400 and above has a JSON body with a `detail`.
 */
export function createConsoleApp(deps: ConsoleDeps): Hono<{ Bindings: ConsolePeer }> {
  const { admin, logger } = deps;
  const app = new Hono<{ Bindings: ConsolePeer }>();
  app.onError((error) => answerTo(error, logger));
  app.notFound(() => jsonAnswer({ detail: "Not Found" }, 404));

  app.get("/status", async () => show(await admin.status()));
  app.get("/jobs", async (c) => show(await admin.jobs(readQuery(c.req.query()))));
  app.get("/jobs/:id", async (c) => show(found(await admin.job(idOf(c)))));
  app.get("/jobs/:id/why", async (c) => show(found(await admin.why(idOf(c)))));
  app.get("/jobs/:id/logs", async (c) => readLog(deps, found(await admin.find(idOf(c))), c.req.query()));
  app.get("/tree", () => show(admin.tree()));
  app.get("/performers", async () => show(await admin.performers()));
  app.get("/audit", async (c) =>
    show(await admin.audit(readNumber("limit", c.req.query("limit") ?? "50", 1, MAX_AUDIT))),
  );
  app.get("/events", (c) => eventStream(deps, c.req.query("follow") === "true"));
  app.get("/loglevel", () => {
    const { get, levels } = logLevelOf(admin);
    return show({ level: get(), levels });
  });

  for (const action of JOB_ACTIONS) {
    app.post(`/jobs/${action}`, async (c) => {
      const body = await bodyOf(c);
      const jobs = chosen(body);
      return show(await admin.act({ action, jobs, isDryRun: body.dry_run === true }, userOf(c)));
    });
  }
  app.post("/jobs/:id/hold", async (c) => one(await admin.hold(idOf(c), true, userOf(c))));
  app.post("/jobs/:id/release", async (c) => one(await admin.hold(idOf(c), false, userOf(c))));
  app.post("/jobs/:id/priority", async (c) => {
    const priority = readNumber("priority", String((await bodyOf(c)).priority), -MAX_PRIORITY, MAX_PRIORITY);
    return one(await admin.prioritise(idOf(c), priority, userOf(c)));
  });
  app.post("/destinations/:name/mode", async (c) => {
    const name = c.req.param("name");
    const mode = readMode((await bodyOf(c)).mode);
    if (await admin.setMode(name, mode, userOf(c))) return show({ name, mode });
    throw new Refusal(404, `There is no destination ${JSON.stringify(name)}`);
  });
  app.post("/loglevel", async (c) => {
    const { levels, set } = logLevelOf(admin);
    const { level } = await bodyOf(c);
    if (typeof level !== "string" || !levels.includes(level)) {
      throw new Refusal(422, `level: expected one of ${levels.join(", ")}, got ${JSON.stringify(level ?? null)}`);
    }
    await set(level, userOf(c));
    return show({ level, levels });
  });
  app.post("/reload", async (c) => {
    if (admin.reload === undefined) throw new Refusal(501, "This daemon cannot read its configuration again");
    const report = await admin.reload(userOf(c));
    return jsonAnswer(encode(report), report.isDone ? 200 : 409);
  });
  return app;
}

const MAX_PRIORITY = 100;

function show(value: unknown): Response {
  return jsonAnswer(encode(value));
}

/** The outcome of something done to a single job; what was refused has a status of its own. */
function one(result: JobActionResult): Response {
  if (result.result === "not_found") throw new Refusal(404, result.outcome);
  if (result.result === "refused") throw new Refusal(409, result.outcome);
  return show(result);
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Refusal(404, "There is no such job");
  return value;
}

function idOf(c: ConsoleRequest): JobId {
  return jobId(readNumber("id", c.req.param("id") ?? "", 1, MAX_JOB_ID));
}

/** Who asks: the account by the word of the kernel, where that is known, and the name that the client claims. */
function userOf(c: ConsoleRequest): string {
  // Hono leaves `env` undefined when the application is called without bindings.
  const uid = c.env?.uid;
  const claimed = c.req.header(USER_HEADER)?.trim() ?? "";
  const known = [
    ...(uid === undefined ? [] : [`uid ${uid}`]),
    // A client without a name says the number.
    ...(claimed === "" || claimed === `uid ${uid}` ? [] : [`${claimed.slice(0, 100)} (claimed)`]),
  ];
  return known.length === 0 ? "unknown" : known.join(", ");
}

async function bodyOf(c: ConsoleRequest): Promise<Readonly<Record<string, JsonValue>>> {
  const text = await c.req.text();
  try {
    const body: unknown = text === "" ? {} : JSON.parse(text);
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, JsonValue>;
  } catch (error) {
    throw new Refusal(422, "body: expected JSON", { cause: error });
  }
  throw new Refusal(422, "body: expected a JSON object");
}

/** Either numbers of jobs or a filter, never neither: that would mean all jobs. */
function chosen({ ids, filter }: Readonly<Record<string, JsonValue>>) {
  if (Array.isArray(ids) && filter === undefined) {
    return { type: "ids" as const, ids: ids.map((id) => jobId(readNumber("ids", String(id), 1, MAX_JOB_ID))) };
  }
  if (ids === undefined && typeof filter === "object" && filter !== null && !Array.isArray(filter)) {
    return { type: "filter" as const, filter: readFilter(filterText(filter as Readonly<Record<string, JsonValue>>)) };
  }
  throw new Refusal(422, "body: expected either ids, a list of numbers, or filter, an object");
}

function filterText(filter: Readonly<Record<string, JsonValue>>): FilterText {
  const entries = Object.entries(filter);
  if (entries.length === 0) throw new Refusal(422, `filter: expected at least one of ${FILTERS.join(", ")}`);
  for (const [name, value] of entries) {
    if (!FILTERS.some((known) => known === name)) throw new Refusal(422, `filter.${name}: unknown filter`);
    if (typeof value !== "string") throw new Refusal(422, `filter.${name}: expected text`);
  }
  return filter as FilterText;
}

function readMode(value: JsonValue | undefined): DestinationMode {
  const mode = DESTINATION_MODES.find((known) => known === value);
  if (mode !== undefined) return mode;
  throw new Refusal(422, `mode: expected one of ${DESTINATION_MODES.join(", ")}, got ${JSON.stringify(value ?? null)}`);
}

function logLevelOf({ logLevel }: AdminService): NonNullable<AdminService["logLevel"]> {
  if (logLevel === undefined) throw new Refusal(501, "The level of this log cannot be changed");
  return logLevel;
}
