import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Clock } from "../../src/ports/clock.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import type { HttpMetrics, MetricsPage } from "../../src/ports/metrics.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import { LONG_S, SHORT_S } from "./buckets.ts";
import { trackedJobStore } from "./job_tracker.ts";
import { measuredCalls } from "./measured_calls.ts";
import { registerProcessMetrics } from "./process_metrics.ts";

/** Names of the labels. Their values come from the configuration or from short fixed lists, never from users. */
type Label =
  | "actor"
  | "application"
  | "destination"
  | "direction"
  | "method"
  | "operation"
  | "outcome"
  | "part"
  | "phase"
  | "reason"
  | "route"
  | "runtime"
  | "state"
  | "status"
  | "version";

/** Methods that are counted by their name; a client can make up any number of others. */
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]);

/** How often it is looked how late timers come. */
const LAG_INTERVAL_MS = 500;

/** What a daemon measures, in the format of Prometheus, by its conventions for names and units. */
export class BartenderMetrics {
  readonly #registry = new Registry();
  readonly #clock: Clock;
  readonly #beforeScrape: (() => void | Promise<void>)[] = [];
  #stopTimer = (): void => undefined;

  readonly #jobs = this.#gauge("jobs", "Jobs that are not finished.", ["phase", "state", "destination"]);
  readonly #submitted = this.#counter("jobs_submitted_total", "Accepted submissions.", ["application"]);
  readonly #finished = this.#counter("jobs_finished_total", "Jobs that came to their end.", [
    "destination",
    "application",
    "state",
  ]);
  readonly #reruns = this.#counter("job_reruns_total", "Interrupted commands that were run again.", ["destination"]);
  readonly #waits = this.#histogram("job_wait_seconds", "From submission to start.", ["destination"], LONG_S);
  readonly #runs = this.#histogram("job_run_seconds", "From start to end of the command.", ["destination"], LONG_S);
  readonly #durations = this.#histogram(
    "job_duration_seconds",
    "From submission to the end of the job.",
    ["destination", "state"],
    LONG_S,
  );
  readonly #stagings = this.#histogram(
    "staging_duration_seconds",
    "Copies of whole job directories to (in) and from (out) a destination.",
    ["destination", "direction", "outcome"],
    LONG_S,
  );
  readonly #stagedBytes = this.#counter("staging_bytes_total", "Bytes of files copied to (in) and from (out).", [
    "destination",
    "direction",
  ]);
  readonly #fileCalls = this.#histogram(
    "file_system_call_duration_seconds",
    "Other work on file systems of destinations.",
    ["destination", "operation", "outcome"],
    SHORT_S,
  );
  readonly #schedulerCalls = this.#histogram(
    "scheduler_call_duration_seconds",
    "Answers of schedulers.",
    ["destination", "operation", "outcome"],
    SHORT_S,
  );
  readonly #storeCalls = this.#histogram(
    "database_call_duration_seconds",
    "Answers of the database.",
    ["operation", "outcome"],
    SHORT_S,
  );
  readonly #requests = this.#counter("http_requests_total", "Answered requests.", ["method", "route", "status"]);
  readonly #requestDurations = this.#histogram(
    "http_request_duration_seconds",
    "From the head of a request to the head of its answer.",
    ["method", "route"],
    SHORT_S,
  );
  readonly #uploadBytes = this.#counter("upload_bytes_total", "Bytes of received archives.", []);
  readonly #lag = this.#histogram("event_loop_lag_seconds", "How late timers come.", [], SHORT_S);

  /** For what the actors know, filled in by the composition root. */
  readonly actorRestarts = this.#counter("actor_restarts_total", "Actors that were started again.", ["actor"]);
  readonly actorCrashes = this.#counter("actor_crashes_total", "Crashes of actors.", ["actor"]);
  readonly deadLetters = this.#counter("dead_letters_total", "Messages that nobody handled.", ["reason"]);
  readonly actors = this.#gauge("actors", "Actors that there are.", ["actor"]);
  readonly mailboxDepth = this.#gauge("mailbox_depth", "Messages in the fullest mailbox of a kind of actor.", [
    "actor",
  ]);
  readonly jobsRetrying = this.#gauge("jobs_retrying", "Jobs that wait for another try after a fault.", []);
  readonly destinationUp = this.#gauge("destination_up", "1 when a part of a destination answers, 0 while degraded.", [
    "destination",
    "part",
  ]);
  readonly destinationTriesWaiting = this.#gauge(
    "destination_tries_waiting",
    "Jobs that wait until a degraded part of a destination may be tried.",
    ["destination", "part"],
  );
  readonly destinationSlots = this.#gauge("destination_slots", "Jobs that may be with a scheduler at a time.", [
    "destination",
  ]);
  readonly destinationSlotsUsed = this.#gauge("destination_slots_used", "Slots that are taken.", ["destination"]);

  /** @param about what runs, for `bartender_build_info` */
  constructor(clock: Clock, about: { readonly version: string; readonly runtime: string }) {
    this.#clock = clock;
    this.#gauge("build_info", "Always 1.", ["version", "runtime"]).set({ ...about }, 1);
    registerProcessMetrics(this.#registry, clock.nowMs());
    this.#watchLag();
  }

  /** For the HTTP edge. */
  readonly http: HttpMetrics = {
    answered: ({ method, route, status, durationMs }) => {
      const known = METHODS.has(method) ? method : "OTHER";
      this.#requests.inc({ method: known, route, status });
      this.#requestDurations.observe({ method: known, route }, durationMs / 1000);
    },
    uploaded: (bytes) => this.#uploadBytes.inc(bytes),
  };

  /** The store, with its answers measured and its jobs counted. */
  measureStore(store: JobStore): JobStore {
    const measured = measuredCalls(
      store,
      [
        "insert",
        "insertOnce",
        "keyed",
        "hasAtLeast",
        "get",
        "list",
        "unfinished",
        "save",
        "rename",
        "remove",
        "history",
      ],
      this.#clock,
      (operation, outcome, ms) => this.#storeCalls.observe({ operation, outcome }, ms / 1000),
    );
    return trackedJobStore(measured, {
      moved: ({ phase, state, destination }, by) => this.#jobs.inc({ phase, state, destination }, by),
      submitted: (application) => this.#submitted.inc({ application }),
      started: (destination, waitedS) => this.#waits.observe({ destination }, waitedS),
      ran: (destination, durationS) => this.#runs.observe({ destination }, durationS),
      rerun: (destination) => this.#reruns.inc({ destination }),
      finished: ({ destination, application, isOk }, afterS) => {
        const state = isOk ? "ok" : "error";
        this.#finished.inc({ destination, application, state });
        this.#durations.observe({ destination, state }, afterS);
      },
    });
  }

  measureScheduler(destination: string, scheduler: Scheduler): Scheduler {
    return measuredCalls(
      scheduler,
      ["submit", "find", "statuses", "cancel", "forget"],
      this.#clock,
      (operation, outcome, ms) => this.#schedulerCalls.observe({ destination, operation, outcome }, ms / 1000),
    );
  }

  measureFileSystem(destination: string, fileSystem: FileSystem): FileSystem {
    if (!fileSystem.isStaged) return fileSystem;
    return measuredCalls(
      fileSystem,
      ["upload", "download", "remove", "readFrom"],
      this.#clock,
      (operation, outcome, ms) => {
        if (operation === "upload" || operation === "download") {
          const direction = operation === "upload" ? "in" : "out";
          this.#stagings.observe({ destination, direction, outcome }, ms / 1000);
        } else {
          this.#fileCalls.observe({ destination, operation, outcome }, ms / 1000);
        }
      },
    );
  }

  staged(destination: string, direction: "in" | "out", bytes: number): void {
    this.#stagedBytes.inc({ destination, direction }, bytes);
  }

  /** Calls `update` before each scrape, for what is only known when it is asked for. */
  beforeScrape(update: () => void | Promise<void>): void {
    this.#beforeScrape.push(update);
  }

  /** All measures as they are now. */
  async scrape(): Promise<MetricsPage> {
    await Promise.all(this.#beforeScrape.map((update) => update()));
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  /** Ends the timer. Idempotent. */
  close(): void {
    this.#stopTimer();
  }

  #watchLag(): void {
    const dueMs = this.#clock.monotonicMs() + LAG_INTERVAL_MS;
    this.#stopTimer = this.#clock.after(LAG_INTERVAL_MS, () => {
      this.#lag.observe(Math.max(0, this.#clock.monotonicMs() - dueMs) / 1000);
      this.#watchLag();
    });
  }

  #counter(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name: `bartender_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: readonly Label[]): Gauge<Label> {
    return new Gauge({ name: `bartender_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, help: string, labelNames: readonly Label[], buckets: number[]): Histogram<Label> {
    return new Histogram({ name: `bartender_${name}`, help, labelNames, buckets, registers: [this.#registry] });
  }
}
