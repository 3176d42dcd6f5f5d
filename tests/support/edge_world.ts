import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../../adapters/command_runner/local.ts";
import type { UsageLimits } from "../../src/config/config.ts";
import type { JobId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { createApp } from "../../src/http/app.ts";
import type { EdgeDeps } from "../../src/http/edge.ts";
import { oneAtATime } from "../../src/http/one_at_a_time.ts";
import { loadPublicKey } from "../../src/http/public_key.ts";
import { createTokenVerifier } from "../../src/http/token_verifier.ts";
import { serveHttp } from "../../src/runtime/serve.ts";
import { anApplication } from "./application_builder.ts";
import { type FakeJobService, fakeJobService } from "./fake_job_service.ts";
import { ManualClock } from "./manual_clock.ts";
import { type RecordingLogger, recordingLogger } from "./recording_logger.ts";
import { tempDir } from "./temp_dir.ts";
import { type TokenFactory, tokenFactory } from "./token_factory.ts";
import { buildZip } from "./zip_builder.ts";

/** The HTTP edge over a job service without actors. */
export interface EdgeWorld extends Disposable {
  readonly app: ReturnType<typeof createApp>;
  readonly jobs: FakeJobService;
  readonly clock: ManualClock;
  readonly logger: RecordingLogger;
  readonly tokens: TokenFactory;
  /** `Authorization` of `username`. */
  auth(username?: string, claims?: Readonly<Record<string, unknown>>): { readonly authorization: string };
  /** Tells all streams that the daemon is about to stop. */
  stopStreams(): void;
  /** Every file and directory below uploads and jobs, relative, sorted. */
  leftovers(): readonly string[];
  /** The application behind a real server. */
  serve(): { readonly url: string; readonly port: number; stop(): Promise<void> };
}

/** Takes every form, and hands its fields on as they are. */
function takingAllFields(fields: Readonly<Record<string, string>>): { isValid: true; value: JsonObject } {
  return { isValid: true, value: { ...fields } };
}

/** No limits for what a submitter may ask for. */
export const UNLIMITED: UsageLimits = {
  submissionsPerMinute: undefined,
  requestsPerMinute: undefined,
  maxUnfinishedJobs: undefined,
  maxStoredJobs: undefined,
  minFreeBytes: 0,
};

const NONE_INTERACTIVE = {
  applications: new Map(),
  environment: { PATH: "/usr/bin:/bin" },
  maxLoad: 1,
  load: () => 0,
} satisfies Partial<EdgeDeps["interactive"]>;

/** @param changes turns of interactive applications go by the clock of the world */
export async function edgeWorld(
  changes: Partial<Omit<EdgeDeps, "interactive">> & {
    readonly interactive?: Omit<EdgeDeps["interactive"], "turns">;
  } = {},
): Promise<EdgeWorld> {
  const directory = tempDir();
  const clock = new ManualClock();
  const logger = recordingLogger();
  const tokens = tokenFactory();
  const jobs = fakeJobService(directory.path, clock);
  const keyFile = join(directory.path, "public_key.pem");
  writeFileSync(keyFile, tokens.publicKeyPem);
  const publicKey = await loadPublicKey(keyFile);
  const stopping = new AbortController();
  const applications = [
    anApplication("wc", { uploadNeeds: ["README.md"] }),
    anApplication("any", { validateForm: takingAllFields }),
    anApplication("strict", {
      validateForm: () => ({ isValid: false, violations: ["'what' is a required property", "'x' is not wanted"] }),
    }),
    anApplication("shutdown", { allowedRoles: ["admin", "root"] }),
  ];
  const turns = oneAtATime<JobId>(clock);
  const { interactive } = changes;
  const app = createApp({
    jobs,
    applications: new Map(applications.map((application) => [application.name, application])),
    verifyToken: createTokenVerifier({ publicKey, clock, issuers: undefined, cacheSize: 100 }),
    tokens: { allowCookie: true, allowQuery: true },
    limits: { maxUploadBytes: 10_000_000, maxExpandedBytes: 100_000_000, maxEntries: 1000, maxRatio: 1000 },
    usage: UNLIMITED,
    streams: { maxStreams: 1000, maxStreamsPerUser: 20 },
    clock,
    logger,
    metrics: { answered: () => undefined, uploaded: () => undefined },
    nextRequestId: () => "request-1",
    stopping: stopping.signal,
    isTrustedPeer: (address) => address === "127.0.0.1",
    ...changes,
    interactive: {
      ...NONE_INTERACTIVE,
      runner: localCommandRunner({ clock: systemClock(), logger }),
      ...interactive,
      turns,
    },
  });
  return {
    app,
    jobs,
    clock,
    logger,
    tokens,
    auth: (username = "alice", claims = {}) => ({
      authorization: `Bearer ${tokens.token(username, clock.nowMs(), claims)}`,
    }),
    stopStreams: () => stopping.abort(),
    leftovers: () =>
      [jobs.uploadDir, jobs.jobRootDir]
        .flatMap((top) => readdirSync(top, { recursive: true, encoding: "utf8" }))
        .sort(),
    serve() {
      const server = serveHttp({ hostname: "127.0.0.1", port: 0 }, (request, connection) =>
        app.fetch(request, connection),
      );
      return {
        url: `http://127.0.0.1:${server.port}`,
        port: server.port,
        stop: () => server.stop(0),
      };
    },
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

/** A form with `archive` (default: a README) as its upload. */
export function uploadForm(
  archive: Uint8Array<ArrayBuffer> = readmeZip(),
  fields: Readonly<Record<string, string>> = {},
): FormData {
  const form = new FormData();
  form.set("upload", new File([archive], "input.zip", { type: "application/zip" }));
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  return form;
}

export function readmeZip(): Buffer<ArrayBuffer> {
  return buildZip([{ name: "README.md", content: "one two three\n" }]);
}
