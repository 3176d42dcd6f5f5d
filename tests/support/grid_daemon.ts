import { execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type DaemonProcess, type JobView, startDaemon } from "./daemon_process.ts";
import { DIRAC_NAMES, type DiracServer } from "./dirac_server.ts";
import { eventually } from "./eventually.ts";
import { tempDir } from "./temp_dir.ts";

/** How long anything on a grid may take on a machine that is busy otherwise. */
export const GRID_PATIENCE_MS = 300_000;

/** A real daemon with a DIRAC grid as its only destination, and a notebook of what ran there. */
export interface GridDaemon extends AsyncDisposable {
  readonly daemon: DaemonProcess;
  /** Where the daemon keeps its proxy. */
  readonly proxyFile: string;
  /** Directory of all jobs on the grid. */
  readonly lfnRoot: string;
  /** Submits the application `work`, whose command notes that it runs. @returns the job's number */
  submit(form?: WorkForm): Promise<number>;
  /** Follows a job until its state is one of `states`. */
  until(id: number, ...states: readonly string[]): Promise<JobView>;
  /** The process ids of the commands that were begun for a job. */
  begun(id: number): readonly number[];
  /** Lets the commands of all jobs end that wait for it. */
  open(): void;
  /** What is stored of a job on the grid, names of files. */
  stored(id: number): readonly string[];
}

/** What the command does: waits for {@link GridDaemon.open} when told so, says the text, ends with the status. */
export interface WorkForm {
  readonly text?: string;
  readonly wait?: "yes";
  readonly status?: string;
}

export interface GridDaemonOptions {
  /** Program that takes the command `serve`. Default: the real one. */
  readonly main?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Lines of the `proxy` map, each with its indentation. */
  readonly proxy?: readonly string[];
}

let daemons = 0;

export async function startGridDaemon(server: DiracServer, options: GridDaemonOptions = {}): Promise<GridDaemon> {
  const dir = tempDir();
  const notes = join(dir.path, "notes");
  // A pipe, as who waits for it begins no processes: DIRAC fails to kill a job of which one ends at that moment.
  const gatePath = join(dir.path, "gate");
  execFileSync("mkfifo", [gatePath]);
  const gate = openSync(gatePath, "r+");
  const proxyFile = join(dir.path, "proxy.pem");
  const lfnRoot = `${DIRAC_NAMES.lfnRoot}/end-to-end-${process.pid}-${++daemons}`;
  const { cert, key } = server.certificates.user;
  const proxy = [
    "      proxy:",
    ...(options.proxy ?? [`        cert: ${cert}`, `        key: ${key}`]),
    `        group: ${DIRAC_NAMES.group}`,
    `        file: ${proxyFile}`,
  ].join("\n");
  const config = `job_root_dir: jobs
applications:
  work:
    command_template: >-
      echo {{ key|q }} $$ >>${notes};
      [ {{ wait|q }} = no ] || read -r go <${gatePath};
      cat input.txt; echo {{ text|q }} >said.txt; echo oops >&2; exit {{ status|q }}
    input_schema:
      type: object
      properties:
        key: {type: string}
        text: {type: string, default: hello}
        wait: {type: string, default: "no"}
        status: {type: integer, default: 0}
destinations:
  grid:
    scheduler:
      type: dirac
      storage_element: ${DIRAC_NAMES.storageElement}
${proxy}
    filesystem:
      type: dirac
      lfn_root: ${lfnRoot}
      storage_element: ${DIRAC_NAMES.storageElement}
${proxy}
    poll_interval: 3
    on_interrupt: rerun
    retry: {initial_delay: 1, max_delay: 4}
`;
  const daemon = await startDaemon({
    config,
    env: { ...server.environment, ...options.env },
    patienceMs: GRID_PATIENCE_MS,
    ...(options.main === undefined ? {} : { main: options.main }),
  });
  const keys = new Map<number, string>();
  let submissions = 0;
  return {
    daemon,
    proxyFile,
    lfnRoot,
    async submit(form = {}) {
      const key = `work-${++submissions}`;
      const id = await daemon.submitOk("work", { "input.txt": "input\n" }, { ...form, key });
      keys.set(id, key);
      return id;
    },
    until: (id, ...states) =>
      eventually(
        `job ${id} to be ${states.join(" or ")}`,
        async () => {
          const view = await daemon.job(id);
          return states.includes(view.state) && view;
        },
        GRID_PATIENCE_MS,
      ),
    begun(id) {
      if (!existsSync(notes)) return [];
      const lines = readFileSync(notes, "utf8")
        .split("\n")
        .map((line) => line.split(" "));
      return lines.filter(([key]) => key === keys.get(id)).map(([, pid]) => Number(pid));
    },
    open: () => void writeSync(gate, "go\n".repeat(100)),
    stored(id) {
      const directory = join(server.storageDirectory, lfnRoot, String(id));
      return existsSync(directory) ? [...new Bun.Glob("**").scanSync(directory)] : [];
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      closeSync(gate);
      dir[Symbol.dispose]();
    },
  };
}
