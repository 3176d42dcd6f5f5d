import { messageOf } from "../core/errors.ts";
import type { AdminJob, DaemonStatus } from "../ports/admin_service.ts";
import type { ConsoleClient } from "./client.ts";
import { CONSOLE_EXIT, type ConsoleContext } from "./context.ts";
import { harmless } from "./paint.ts";
import { showJobs } from "./show_jobs.ts";
import { showStatus } from "./show_status.ts";

const REFRESH_MS = 2_000;

const OTHER_SCREEN = "\u001b[?1049h\u001b[?25l";
const OWN_SCREEN = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
// Before a line: behind one that is as wide as the terminal it would take its last letter away.
// Before a line: behind one that is as wide as the terminal it would take its last letter away.
const CLEAR_LINE = "\u001b[K";
const END_OF_SCREEN = "\u001b[J";
const NO_WRAP = "\u001b[?7l";
const WRAP = "\u001b[?7h";

/** Destinations and unfinished jobs on the whole screen, drawn over themselves until `q` or Ctrl-C. */
export async function runTop(context: ConsoleContext, client: ConsoleClient): Promise<void> {
  const { screen, out } = context;
  if (screen === undefined) {
    context.err("top: expected a terminal; use `status` and `queue` elsewhere\n");
    return context.fail(CONSOLE_EXIT.usage);
  }
  const signal = context.stopping();
  // Asked before the screen is taken, so that a fault can be read.
  let picture = await pictureOf(context, client);
  let silence: string | undefined;
  let isPaused = false;
  let wake = new AbortController();
  let isOver = false;
  const giveBack = screen.onKey((key) => {
    if (key === "q" || key === "\u0003") isOver = true;
    else if (key === "p") isPaused = !isPaused;
    wake.abort();
  });
  const stop = (): void => {
    isOver = true;
    wake.abort();
  };
  signal.addEventListener("abort", stop);
  out(`${OTHER_SCREEN}${NO_WRAP}`);
  try {
    for (;;) {
      const { rows } = screen.size();
      const all = picture.trimEnd().split("\n");
      const more = all.length > rows - 1 ? "there is more than fits here; " : "";
      const keys = context.paint.dim(`${more}${isPaused ? "paused, p goes on" : "p pauses"}, q quits`);
      const foot = silence === undefined ? keys : `${context.paint.bad(silence)}; ${keys}`;
      const lines = [...all.slice(0, rows - 1), foot];
      out(`${HOME}${lines.map((line) => `${CLEAR_LINE}${line}`).join("\r\n")}${END_OF_SCREEN}`);
      wake = new AbortController();
      await context.sleep(REFRESH_MS, wake.signal);
      if (isOver) return;
      if (isPaused) continue;
      try {
        picture = await pictureOf(context, client);
        silence = undefined;
      } catch (error) {
        // The daemon may only be restarted; what it said last is better than nothing.
        silence = harmless(messageOf(error));
      }
    }
  } finally {
    signal.removeEventListener("abort", stop);
    giveBack();
    out(`${WRAP}${OWN_SCREEN}`);
  }
}

/** The same for programs: a line of JSON for each picture, until Ctrl-C. */
export async function followJson(context: ConsoleContext, client: ConsoleClient): Promise<void> {
  const signal = context.stopping();
  while (!signal.aborted) {
    const [status, jobs] = await Promise.all([client.raw("GET", "/status"), client.raw("GET", pathOfJobs(MOST_JOBS))]);
    context.out(`${JSON.stringify({ status, jobs })}\n`);
    await context.sleep(REFRESH_MS, signal);
  }
}

const MOST_JOBS = 1_000;

function pathOfJobs(limit: number): string {
  return `/jobs?state=unfinished&sort=oldest&limit=${limit}`;
}

async function pictureOf(context: ConsoleContext, client: ConsoleClient): Promise<string> {
  const { paint } = context;
  const { rows } = context.screen?.size() ?? { rows: 24 };
  const [status, jobs] = await Promise.all([
    client.get<DaemonStatus>("/status"),
    client.get<readonly AdminJob[]>(pathOfJobs(Math.max(1, rows))),
  ]);
  const columns = context.columns();
  return `${showStatus(status, paint, columns)}\n${showJobs(jobs, context.nowMs(), paint, columns)}`;
}
