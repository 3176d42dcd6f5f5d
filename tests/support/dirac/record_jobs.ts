import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DiracServer } from "../dirac_server.ts";
import { eventually } from "../eventually.ts";
import type { Recorder } from "./recorder.ts";

const PATIENCE_MS = 300_000;

/** What the commands about jobs print. */
export async function recordJobs(server: DiracServer, recorder: Recorder): Promise<void> {
  const { directory, record, file } = recorder;
  const jdl = (name: string, script: string, ...lines: readonly string[]): string => {
    file(`${name}.sh`, `#!/bin/sh\n${script}\n`);
    const all = [
      `JobName = "${name}";`,
      `Executable = "${name}.sh";`,
      `InputSandbox = {"${directory}/${name}.sh"};`,
      `StdOutput = "stdout.txt";`,
      `StdError = "stderr.txt";`,
      `OutputSandbox = {"stdout.txt", "stderr.txt"};`,
      ...lines,
    ];
    return file(`${name}.jdl`, `[\n${all.join("\n")}\n]\n`);
  };
  const submit = async (name: string, script: string, ...lines: readonly string[]): Promise<number> => {
    const { stdout } = await server.command("dirac-wms-job-submit", jdl(name, script, ...lines));
    return Number(/^JobID = (\d+)$/m.exec(stdout)?.[1]);
  };
  const until = (id: number, status: string): Promise<boolean> =>
    eventually(
      `job ${id} to be ${status}`,
      () => server.sql(`select Status from JobDB.Jobs where JobID = ${id}`).trim() === status,
      PATIENCE_MS,
    );

  const lists = `OutputData = {"LFN:/tutoVO/user/c/ciuser/1/out.txt"}; OutputSE = "StorageElementOne";`;
  await record("job_submit", ["dirac-wms-job-submit", jdl("first", "echo out; echo err >&2; echo x >out.txt", lists)]);
  await record("job_submit_two", ["dirac-wms-job-submit", jdl("fails", "echo out; exit 3"), jdl("third", "echo out")]);
  const inline = ["dirac-wms-job-submit", `[JobName="i"; JobGroup="recorded-tag"; Executable="/bin/true";]`];
  await record("job_submit_inline", inline);
  await record("job_submit_stdin", ["dirac-wms-job-submit", "/dev/stdin"], {
    stdin: `[Executable="/bin/true";]`,
    remark: "Standard input is a socket, as node:child_process makes it; Linux refuses to open it by its name.",
  });
  await record("job_submit_bad_jdl", ["dirac-wms-job-submit", file("bad.jdl", `[Executable="x"`)]);
  await record("job_submit_no_executable", ["dirac-wms-job-submit", `[JobName="x";]`]);
  await record("job_submit_quotes", ["dirac-wms-job-submit", `[JobName="a \\"b\\""; Executable="/bin/true";]`]);
  await record("job_submit_missing_jdl", ["dirac-wms-job-submit", join(directory, "nonexistent.jdl")]);
  const noSandbox = `[Executable="/bin/true"; InputSandbox={"${directory}/nonexistent"};]`;
  await record("job_submit_missing_sandbox", ["dirac-wms-job-submit", noSandbox]);
  const longGroup = `[Executable="/bin/true"; JobGroup="${"g".repeat(33)}";]`;
  await record("job_submit_long_group", ["dirac-wms-job-submit", longGroup]);
  const longName = `[Executable="/bin/true"; JobName="${"n".repeat(129)}";]`;
  await record("job_submit_long_name", ["dirac-wms-job-submit", longName]);
  await record("job_status_group", ["dirac-wms-job-status", "--JobGroup=recorded-tag"], {
    remark: "Looks at 30 days only.",
  });
  await record("job_status_group_none", ["dirac-wms-job-status", "--JobGroup=no-such-tag"]);
  const badSite = `[Executable="/bin/true"; Site="No.Such.site";]`;
  await record("job_submit_unknown_site", ["dirac-wms-job-submit", badSite]);

  const first = 1;
  const failed = 2;
  await until(first, "Done");
  await until(failed, "Failed");
  await record("select_jobs", ["dirac-wms-select-jobs", "--JobGroup=recorded-tag", "--Date=2020-01-01"]);
  await record("select_jobs_quiet", ["dirac-wms-select-jobs", "-o", "LogLevel=FATAL", "--JobGroup=recorded-tag"]);
  await record("select_jobs_none", ["dirac-wms-select-jobs", "--JobGroup=no-such-tag", "--Date=2020-01-01"]);
  await record("select_jobs_two_groups", ["dirac-wms-select-jobs", "--JobGroup=recorded-tag,NoGroup"]);
  await record("select_jobs_all", ["dirac-wms-select-jobs", "--Owner=ciuser", "--Maximum=2", "--Date=2020-01-01"]);
  await record("job_attributes", ["dirac-wms-job-attributes", String(first)]);
  await record("job_attributes_unknown", ["dirac-wms-job-attributes", "4711"]);
  await record("job_parameters", ["dirac-wms-job-parameters", String(first)]);
  await record("job_logging_info", ["dirac-wms-job-logging-info", String(first)]);
  await record("job_get_jdl", ["dirac-wms-job-get-jdl", String(first)]);
  await record(
    "dstat_first_time",
    ["dstat", "-a", "-g", "recorded-tag", "-f", "json", "-F", "Status,JobName,JobGroup"],
    {
      remark: "dstat wants a file in the home directory, and writes it when it misses it",
    },
  );
  await record("dstat", ["dstat", "-a", "-g", "recorded-tag", "-f", "json", "-F", "Status,JobName,JobGroup"]);

  await server.pilots.stop();
  const waiting = await submit("waiting", "echo never");
  const deleted = await submit("deleted", "echo never");
  await until(waiting, "Waiting");
  const ids = (...all: readonly number[]) => all.map(String);
  await record("job_status_done", ["dirac-wms-job-status", String(first)]);
  await record("job_status_quiet", ["dirac-wms-job-status", "-o", "LogLevel=FATAL", String(first)]);
  await record("job_status_many", ["dirac-wms-job-status", ...ids(first, failed, waiting, 4711)]);
  await record("job_status_comma", ["dirac-wms-job-status", ids(first, failed, waiting).join(",")]);
  await record("job_status_unknown", ["dirac-wms-job-status", "4711"]);
  await record("job_status_bad_id", ["dirac-wms-job-status", "abc"]);
  await record("job_status_none", ["dirac-wms-job-status"]);
  const many = Array.from({ length: 1000 }, (_, index) => String(index + 1));
  await record("job_status_thousand", ["dirac-wms-job-status", many.join(",")]);

  await record("get_output_waiting", ["dirac-wms-job-get-output", "-D", directory, String(waiting)]);
  await record("job_kill_waiting", ["dirac-wms-job-kill", String(waiting)]);
  await record("job_kill_twice", ["dirac-wms-job-kill", String(waiting)]);
  await record("job_delete_waiting", ["dirac-wms-job-delete", String(deleted)]);
  await record("job_status_killed_deleted", ["dirac-wms-job-status", ...ids(waiting, deleted)]);
  await record("select_jobs_deleted", ["dirac-wms-select-jobs", "--Status=Deleted"]);
  await record("job_kill_done", ["dirac-wms-job-kill", String(first)]);
  await record("job_kill_unknown", ["dirac-wms-job-kill", "4711"]);
  await record("job_kill_bad_id", ["dirac-wms-job-kill", "abc"]);
  await record("job_delete_unknown", ["dirac-wms-job-delete", "4711"]);
  await record("get_output_killed", ["dirac-wms-job-get-output", "-D", directory, String(waiting)]);
  await server.pilots.start();

  const mark = join(directory, "running");
  const running = await submit("running", `echo running; touch ${mark}; sleep 1000`);
  await eventually("the job", () => existsSync(mark), PATIENCE_MS);
  await until(running, "Running");
  await record("job_status_running", ["dirac-wms-job-status", String(running)]);
  await record("job_peek_running", ["dirac-wms-job-peek", String(running)]);
  await record("get_output_running", ["dirac-wms-job-get-output", "-D", directory, String(running)]);
  await record("job_kill_running", ["dirac-wms-job-kill", ...ids(running, first)]);
  await record("job_status_killed", ["dirac-wms-job-status", String(running)]);

  const out = join(directory, "sandboxes");
  mkdirSync(out);
  await record("get_output", ["dirac-wms-job-get-output", "-D", out, String(first)]);
  await record("get_output_twice", ["dirac-wms-job-get-output", "-D", out, String(first)]);
  await record("get_output_failed_job", ["dirac-wms-job-get-output", "-D", out, String(failed)]);
  rmSync(out, { recursive: true });
  await record("get_output_no_directory", ["dirac-wms-job-get-output", "-D", out, String(first)]);
  await record("get_output_two", ["dirac-wms-job-get-output", "-D", directory, ...ids(first, failed, 4711)]);
  await record("get_output_unknown", ["dirac-wms-job-get-output", "-D", directory, "4711"]);
  await record("job_delete_done", ["dirac-wms-job-delete", ...ids(first, failed)]);
  await record("get_output_deleted", ["dirac-wms-job-get-output", "-D", directory, "3"]);
}
