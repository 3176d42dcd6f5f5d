import { DIRAC_NAMES, type DiracServer } from "../dirac_server.ts";
import type { Recorder } from "./recorder.ts";
import type { DiracServiceName } from "./services.ts";

/** Longer than any command waits for a service that is stopped. */
const LIMIT_S = 240;

/** Which commands are tried while a service is away. */
const COMMANDS: Readonly<Record<DiracServiceName, readonly string[]>> = {
  configuration: ["proxy_init", "proxy_info", "job_submit", "job_status", "add_file", "get_file"],
  proxies: ["proxy_init", "proxy_init_must_upload", "job_submit"],
  catalog: ["add_file", "get_file", "lfn_metadata", "clean_directory"],
  storage: ["add_file", "get_file", "clean_directory", "remove_files"],
  sandboxes: ["job_submit", "get_output"],
  jobManager: ["job_submit", "job_kill", "job_delete"],
  jobMonitoring: ["job_status", "select_jobs", "get_output", "job_kill"],
  optimization: ["job_submit"],
  others: ["job_submit", "job_kill"],
};

/** What commands print while a service is stopped, and while it does not answer. */
export async function recordOutages(server: DiracServer, { directory, file, record }: Recorder): Promise<void> {
  // dirac-dms-get-file empties a file of the name that it wants to write.
  const content = file("local-content", "kept content\n");
  const kept = `${DIRAC_NAMES.lfnRoot}/outage/kept`;
  const { cert, key } = server.certificates.user;
  const out = `${directory}/outage_proxy`;
  const init = ["dirac-proxy-init", "-g", "dirac_user", "-C", cert, "-K", key, "-u", out];
  const jdl = file(
    "outage.jdl",
    `[\nExecutable = "outage.sh";\nInputSandbox = {"${file("outage.sh", "#!/bin/sh\necho\n")}"};\n` +
      `StdOutput = "o";\nStdError = "e";\nOutputSandbox = {"o","e"};\n]\n`,
  );
  const { stdout } = await server.command("dirac-wms-job-submit", jdl);
  const id = /^JobID = (\d+)$/m.exec(stdout)?.[1] ?? "";
  await server.command("dirac-dms-add-file", kept, content, DIRAC_NAMES.storageElement);
  let added = 0;
  const commands: Readonly<Record<string, () => readonly string[]>> = {
    proxy_init: () => init,
    proxy_init_must_upload: () => [...init, "-t"],
    proxy_info: () => ["dirac-proxy-info"],
    job_submit: () => ["dirac-wms-job-submit", jdl],
    job_status: () => ["dirac-wms-job-status", id],
    job_kill: () => ["dirac-wms-job-kill", id],
    job_delete: () => ["dirac-wms-job-delete", id],
    select_jobs: () => ["dirac-wms-select-jobs", "--JobGroup=x"],
    get_output: () => ["dirac-wms-job-get-output", "-D", directory, id],
    add_file: () => ["dirac-dms-add-file", `${DIRAC_NAMES.lfnRoot}/outage/new${++added}`, content, "StorageElementOne"],
    get_file: () => ["dirac-dms-get-file", kept],
    lfn_metadata: () => ["dirac-dms-lfn-metadata", kept],
    remove_files: () => ["dirac-dms-remove-files", kept],
    clean_directory: () => ["dirac-dms-clean-directory", `${DIRAC_NAMES.lfnRoot}/outage`],
  };
  for (const [name, tried] of Object.entries(COMMANDS)) {
    const service = server.services[name as DiracServiceName];
    const all = async (what: string): Promise<void> => {
      for (const command of tried) {
        const environment = { X509_USER_PROXY: command.startsWith("proxy_init") ? out : server.proxyFile };
        const words = commands[command]?.() ?? [];
        const begin = performance.now();
        await record(`${name}_${what}_${command}`, words, { environment, limitS: LIMIT_S });
        console.log(`  ${name} ${what} ${command}: ${Math.round((performance.now() - begin) / 1000)} s`);
      }
    };
    await service.stop();
    await all("stopped");
    await service.start();
    // Whatever the commands have done.
    await server.command("dirac-dms-add-file", kept, content, DIRAC_NAMES.storageElement);
  }
  for (const [name, command] of [
    ["jobMonitoring", "job_status"],
    ["jobManager", "job_submit"],
    ["storage", "add_file"],
    ["catalog", "get_file"],
    ["configuration", "job_status"],
  ] as const) {
    server.services[name].freeze();
    const words = commands[command]?.() ?? [];
    await record(`${name}_frozen_${command}`, words, {
      limitS: LIMIT_S,
      remark: `SIGKILL after ${LIMIT_S} s at the latest`,
    });
    server.services[name].thaw();
  }
}
