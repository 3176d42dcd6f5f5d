import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { browserMissing, openBrowser } from "../support/browser.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";
import { type EventReader, readEvents } from "../support/event_reader.ts";
import { eventually } from "../support/eventually.ts";
import { lastingPort } from "../support/lasting_port.ts";

// The commands end by themselves when their directory goes with the test.
const CONFIG = `job_root_dir: jobs
applications:
  wc: {command_template: wc README.md, upload_needs: [README.md]}
  gate: {command_template: "echo begun; while [ -d $PWD ] && [ ! -e go ]; do sleep 0.05; done; exit 3"}
  silent: {command_template: "while [ -d $PWD ] && [ ! -e go ]; do sleep 0.05; done"}
destinations:
  local: {scheduler: {type: memory, slots: 1}, filesystem: {type: local}}
`;

const start = () => startDaemon({ config: CONFIG });

async function follow(daemon: DaemonProcess, id: number, lastEventId?: string): Promise<EventReader> {
  const headers: Record<string, string> = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  return readEvents(await daemon.call("GET", `/api/job/${id}/events`, { headers }));
}

/** Lets the command of a job end. */
const open = (daemon: DaemonProcess, id: number) => Bun.write(`${daemon.directory}/jobs/${id}/go`, "");

const idsOf = ({ events }: EventReader) => events.map(({ id }) => Number(id));

/** The states in the order in which they were told, each once. */
function statesOf(...readers: readonly EventReader[]): readonly unknown[] {
  const states = readers.flatMap(({ events }) => events.map(({ data }) => data.state));
  return states.filter((state, at) => state !== states[at - 1]);
}

describe("the events of a job", () => {
  test("are its states in order, with the history's own numbers", async () => {
    await using daemon = await start();
    const holder = await daemon.submitOk("gate", {});
    const id = await daemon.submitOk("gate", {});
    const seen = await follow(daemon, id, "0");
    await eventually("the wait for a slot", () => statesOf(seen).at(-1) === "queued");
    await open(daemon, holder);
    await eventually("its turn", () => statesOf(seen).at(-1) === "running");
    await open(daemon, id);
    await seen.untilEnd();
    expect(statesOf(seen)).toEqual(["new", "queued", "running", "error"]);
    expect(seen.events.at(-1)?.data).toMatchObject({ phase: "finished", attempt: 1, returncode: 3 });
    const history = (await (await daemon.call("GET", `/api/job/${id}/history`)).json()) as readonly object[];
    expect(seen.events.map(({ data: { returncode, ...step } }) => step)).toEqual([...history] as never);
    expect(idsOf(seen)).toEqual(history.map((_, index) => index + 1));
    expect((await daemon.call("GET", `/api/job/${id}/events?last_event_id=${history.length}`)).status).toBe(204);
  });

  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`miss nothing and repeat nothing when the daemon is restarted by ${signal} in between`, async () => {
      await using daemon = await start();
      const id = await daemon.submitOk("gate", {});
      const before = await follow(daemon, id, "0");
      await eventually("the run", () => statesOf(before).at(-1) === "running");
      await daemon.stop(signal);
      await eventually("the end of the stream", () => before.end !== undefined);
      if (signal === "SIGTERM") expect(before.end).toBeNull();
      await daemon.restart();
      const after = await follow(daemon, id, before.events.at(-1)?.id);
      await open(daemon, id);
      await after.untilEnd();
      expect(statesOf(before, after)).toEqual(["new", "queued", "running", "error"]);
      const ids = [...idsOf(before), ...idsOf(after)];
      expect(ids).toEqual(ids.map((_, index) => index + 1));
    });
  }

  test("of a job that is deleted end with its removal", async () => {
    await using daemon = await start();
    const id = await daemon.submitOk("gate", {});
    const seen = await follow(daemon, id);
    await eventually("the run", () => statesOf(seen).at(-1) === "running");
    expect((await daemon.call("DELETE", `/api/job/${id}`)).status).toBe(204);
    await seen.untilEnd();
    expect(seen.events.at(-1)).toEqual({ id: undefined, type: "deleted", data: { id } });
    expect((await daemon.call("GET", `/api/job/${id}/events`)).status).toBe(404);
  });
});

describe("a daemon that is stopped", () => {
  test("does not wait for open streams and followed logs, whose clients get no wrong end", async () => {
    await using daemon = await start();
    const [talking, silent] = [await daemon.submitOk("gate", {}), await daemon.submitOk("silent", {})];
    await daemon.until(talking, "running");
    const streams = await Promise.all([talking, silent, talking].map((id) => follow(daemon, id)));
    for (const seen of streams) await seen.until(1);
    const log = await daemon.call("GET", `/api/job/${talking}/stdout?follow=true`);
    const reader = log.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("begun\n");
    const unheard = connect(Number(new URL(daemon.url).port), "127.0.0.1");
    let heard = "";
    unheard.on("data", (data) => {
      heard += data;
    });
    unheard.on("error", () => undefined);
    const token = await daemon.token();
    unheard.write(`GET /api/job/${silent}/stdout?follow=true&token=${token} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await eventually("the first half of the head", () => heard.startsWith("HTTP/1.1 200"));

    const startMs = performance.now();
    expect(await daemon.stop()).toBe(0);
    // Requests that are waited for get four seconds.
    expect(performance.now() - startMs).toBeLessThan(4_000);
    for (const seen of streams) await seen.untilEnd();
    const rest = (async () => {
      while (!(await reader?.read())?.done);
    })();
    await expect(rest).rejects.toThrow();
    // Not the chunk of length 0 that ends a body.
    expect(heard).not.toMatch(/\r\n0\r\n/);
    expect(daemon.log()).not.toMatch(/error:|"level":"(error|critical)"/i);
  });
});

/** What a page does to follow a job: it keeps what it was told, and shows the newest in its title. */
const followInPage = (address: string): string => `new Promise((resolve) => {
  const source = new EventSource(${JSON.stringify(address)});
  const told = [];
  const tell = (text) => {
    told.push(text);
    document.title = text;
  };
  source.addEventListener("state", ({ data, lastEventId }) => tell(lastEventId + " " + JSON.parse(data).state));
  source.addEventListener("error", () => {
    const isClosed = source.readyState === EventSource.CLOSED;
    if (isClosed || told.at(-1) !== "lost") tell(isClosed ? "closed" : "lost");
    if (isClosed) resolve(told);
  });
})`;

describe.skipIf(browserMissing !== undefined)(`a page ${browserMissing ?? ""}`, () => {
  test("follows a job by EventSource over a restart of the daemon, and stops by itself at the end", async () => {
    await using daemon = await startDaemon({ config: CONFIG, env: { BARTENDER_PORT: String(await lastingPort()) } });
    await using browser = await openBrowser(daemon.url);
    const { page } = browser;
    const id = await daemon.submitOk("gate", {});
    await page.goto(`${daemon.url}/api/live`);
    const address = `/api/job/${id}/events?last_event_id=0&token=${await daemon.token()}`;
    const seen = page.evaluate(followInPage(address));
    await eventually("the run", async () => (await page.title()).endsWith("running"));
    await daemon.stop();
    await eventually("the loss", async () => (await page.title()) === "lost");
    await daemon.restart();
    await open(daemon, id);
    await daemon.until(id, "error");
    const history = (await (await daemon.call("GET", `/api/job/${id}/history`)).json()) as readonly {
      readonly version: number;
      readonly state: string;
    }[];
    const steps = history.map(({ version, state }) => `${version} ${state}`);
    expect(await seen).toEqual([...steps.slice(0, -1), "lost", ...steps.slice(-1), "lost", "closed"]);
  }, 150_000);
});
