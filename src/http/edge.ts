import type { FileHandle } from "node:fs/promises";
import type { Context } from "hono";
import type { UsageLimits } from "../config/config.ts";
import type { Application, InteractiveApplication } from "../core/application.ts";
import type { JobId } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommandRunner } from "../ports/command_runner.ts";
import type { JobService } from "../ports/job_service.ts";
import type { Logger } from "../ports/logger.ts";
import type { HttpMetrics } from "../ports/metrics.ts";
import type { OneAtATime } from "./one_at_a_time.ts";
import type { StreamLimits } from "./stream_places.ts";
import type { VerifyToken } from "./token_verifier.ts";
import type { UploadLimits } from "./upload_limits.ts";

/** What the runtime tells about a connection, as second argument of the application's `fetch`. */
export interface Bindings {
  /** IP address of the peer; absent when the runtime does not know it. */
  readonly peerAddress?: string;
  /**
   * Makes a body of the bytes `start` to before `end` of an open file, which the runtime sends and closes; absent when
   * it cannot. The response must have a `Content-Length`.
   */
  readonly fileBody?: (file: FileHandle, start: number, end: number) => Blob;
}

export type EdgeContext = Context<{ Bindings: Bindings }>;

/** One operation of the API. */
export interface Route {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Pattern of Hono, e.g. `/api/job/:jobid`; parameters are decoded exactly once. */
  readonly path: string;
  /** Answers, or throws a `Refusal`. */
  handle(c: EdgeContext): Response | Promise<Response>;
}

/** What it takes to run interactive applications. */
export interface InteractiveDeps {
  /** Configured interactive applications by name, in the order of the configuration. */
  readonly applications: ReadonlyMap<string, InteractiveApplication>;
  readonly runner: CommandRunner;
  /** The whole environment of the commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** No command is started while {@link InteractiveDeps.load} is above. */
  readonly maxLoad: number;
  /** The 1-minute load average of this machine, divided by its usable CPUs. */
  load(): number;
  /** In which commands of one job run. */
  readonly turns: OneAtATime<JobId>;
}

/** What the HTTP edge needs from the rest of the daemon. */
export interface EdgeDeps {
  readonly jobs: JobService;
  /** Configured applications by name, in the order of the configuration. */
  readonly applications: ReadonlyMap<string, Application>;
  readonly interactive: InteractiveDeps;
  readonly verifyToken: VerifyToken;
  /** Where tokens may be besides the `Authorization` header. */
  readonly tokens: { readonly allowCookie: boolean; readonly allowQuery: boolean };
  readonly limits: UploadLimits;
  readonly usage: UsageLimits;
  readonly streams: StreamLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: HttpMetrics;
  /** A name for a request that brings none; unique for as long as logs are kept. */
  nextRequestId(): string;
  /** Aborted when the daemon is about to stop: answers without an end have to come to one. */
  readonly stopping: AbortSignal;
  /** Files of packages, `<package>/<path>`, that are not where packages are otherwise; default: none. */
  readonly bundledFile?: (name: string) => Promise<Uint8Array | undefined>;
  /** True for a proxy whose `X-Forwarded-…` headers are believed. */
  isTrustedPeer(address: string): boolean;
}
