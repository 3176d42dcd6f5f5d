import { join } from "node:path";
import type { DiracServer } from "../dirac_server.ts";
import type { Recorder } from "./recorder.ts";

/** What the commands about proxies print. */
export async function recordProxies(server: DiracServer, { directory, record, file }: Recorder): Promise<void> {
  const { user, lockedUser } = server.certificates;
  const out = join(directory, "proxy");
  const own = { environment: { X509_USER_PROXY: out } };
  const init = (key: string, ...more: readonly string[]) => [
    ...["dirac-proxy-init", "-g", "dirac_user", "-C", user.cert, "-K", key, "-u", out],
    ...more,
  ];
  await record("proxy_init", init(user.key, "-v", "23:59"), own);
  await record("proxy_init_without_upload", init(user.key, "-v", "23:59", "-N"), own);
  const password = { ...own, stdin: `${lockedUser.password}\n` };
  await record("proxy_init_with_password", init(lockedUser.key, "-v", "23:59", "-p"), password);
  await record("proxy_init_password_for_plain_key", init(user.key, "-v", "23:59", "-p"), password);
  await record("proxy_init_wrong_password", init(lockedUser.key, "-p"), { ...own, stdin: "wrong\n" });
  await record("proxy_init_no_password", init(lockedUser.key, "-p"), own);
  await record("proxy_init_locked_key_without_p", init(lockedUser.key), own);
  await record(
    "proxy_init_no_certificate",
    ["dirac-proxy-init", "-g", "dirac_user", "-C", "/nonexistent", "-u", out],
    own,
  );
  await record("proxy_init_no_key", init("/nonexistent"), own);
  await record("proxy_init_no_certificate_at_all", ["dirac-proxy-init", "-g", "dirac_user"], own);
  await record("proxy_init_bad_key", init(file("bad.pem", "nonsense")), own);
  const wrongGroup = init(user.key).map((word) => (word === "dirac_user" ? "no_such_group" : word));
  await record("proxy_init_wrong_group", wrongGroup, own);
  await record("proxy_init_bad_time", init(user.key, "-v", "3"), own);
  await record("proxy_init_long_time", init(user.key, "-v", "99999:00"), own);
  const unwritable = [
    "dirac-proxy-init",
    "-g",
    "dirac_user",
    "-C",
    user.cert,
    "-K",
    user.key,
    "-u",
    "/nonexistent/proxy",
  ];
  await record("proxy_init_unwritable", unwritable, { environment: { X509_USER_PROXY: "/nonexistent/proxy" } });
  await record("proxy_init_variable_elsewhere", init(user.key, "-N"), {
    environment: { X509_USER_PROXY: join(directory, "missing") },
    remark: "X509_USER_PROXY names another file than -u.",
  });
  await record("proxy_init_variable_unset", init(user.key, "-N"), { environment: { X509_USER_PROXY: undefined } });

  await record("proxy_info", ["dirac-proxy-info"], own);
  await record("proxy_info_verified", ["dirac-proxy-info", "-v"], own);
  await record("proxy_info_file", ["dirac-proxy-info", "-f", out], { environment: { X509_USER_PROXY: undefined } });
  const missing = { environment: { X509_USER_PROXY: join(directory, "missing") } };
  await record("proxy_info_missing", ["dirac-proxy-info"], missing);
  await record("proxy_info_nonsense", ["dirac-proxy-info"], {
    environment: { X509_USER_PROXY: file("nonsense", "?") },
  });
  const expired = { environment: { X509_USER_PROXY: join(directory, "expired") } };
  await server.makeProxyOf(join(directory, "expired"), -3600);
  await record("proxy_info_expired", ["dirac-proxy-info"], expired);
  await record("proxy_info_expired_verified", ["dirac-proxy-info", "-v"], expired);
  await server.makeProxyOf(join(directory, "long"), 200 * 3600);
  await record("proxy_info_long", ["dirac-proxy-info"], { environment: { X509_USER_PROXY: join(directory, "long") } });
  await record("version", ["dirac-version"], own);

  for (const [name, environment] of Object.entries({ missing_proxy: missing, expired_proxy: expired })) {
    await record(`${name}_job_submit`, ["dirac-wms-job-submit", '[Executable="/bin/true";]'], environment);
    await record(`${name}_job_status`, ["dirac-wms-job-status", "1"], environment);
    await record(`${name}_job_kill`, ["dirac-wms-job-kill", "1"], environment);
    await record(`${name}_select_jobs`, ["dirac-wms-select-jobs", "--JobGroup=x"], environment);
    await record(`${name}_get_output`, ["dirac-wms-job-get-output", "1"], environment);
    const lfn = "/tutoVO/user/c/ciuser/x";
    const local = file("local", "content");
    await record(`${name}_add_file`, ["dirac-dms-add-file", lfn, local, "StorageElementOne"], environment);
    await record(`${name}_get_file`, ["dirac-dms-get-file", lfn], environment);
    await record(`${name}_clean_directory`, ["dirac-dms-clean-directory", lfn], environment);
  }
}
