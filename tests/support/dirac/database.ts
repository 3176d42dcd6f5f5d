import { execFileSync } from "node:child_process";
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { lastingPort } from "../lasting_port.ts";
import { type MariadbServer, startMariadb } from "../mariadb_server.ts";
import { tempDir } from "../temp_dir.ts";
import { DIRAC_HOME, sitePackages } from "./installation.ts";

/** Databases whose tables DIRAC's services make themselves. */
const SELF_MADE = ["ProxyDB", "SandboxMetadataDB", "TaskQueueDB", "ReqDB"];

/** Databases whose tables an administrator makes, and where DIRAC has the statements for it. */
const FROM_FILES = {
  JobDB: "WorkloadManagementSystem",
  JobLoggingDB: "WorkloadManagementSystem",
  PilotAgentsDB: "WorkloadManagementSystem",
  FileCatalogDB: "DataManagementSystem",
  AccountingDB: "AccountingSystem",
} as const;

/** Small files, so that they are copied and opened in no time. */
const OPTIONS = ["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=48M", "--performance-schema=off"];

/**
 * A database server with all that DIRAC's services look for. What is the same each time is made once per installation.
 *
 * @param directory made by this
 */
export async function startDiracDatabase(
  directory: string,
  port: number,
  environment: Readonly<Record<string, string>>,
): Promise<MariadbServer> {
  const template = join(DIRAC_HOME, "database");
  if (!existsSync(template)) await makeTemplate(template);
  return await startMariadb({ directory, port, template, environment, options: OPTIONS });
}

async function makeTemplate(template: string): Promise<void> {
  using dir = tempDir();
  execFileSync("chmod", ["755", dir.path]);
  const directory = join(dir.path, "mariadb");
  const server = await startMariadb({ directory, port: await lastingPort(), options: OPTIONS });
  try {
    const users = ["%", "localhost", "127.0.0.1"].map((host) => `'Dirac'@'${host}'`);
    const databases = [...SELF_MADE, ...Object.keys(FROM_FILES)];
    server.sql(
      [
        // Grants for users that are not there yet would be refused.
        ...users.map((user) => `create user ${user} identified by 'Dirac';`),
        ...databases.map((name) => `create database ${name};`),
        ...databases.flatMap((name) => users.map((user) => `grant all on ${name}.* to ${user};`)),
        ...Object.entries(FROM_FILES).map(
          ([name, system]) => `source ${join(sitePackages(), "DIRAC", system, "DB", `${name}.sql`)}\n`,
        ),
        // As dirac-admin-allow-site does it.
        "use JobDB; insert into SiteMask values ('DIRAC.Local.nl', 'Active', utc_timestamp(), 'ciuser', 'test');",
      ].join("\n"),
    );
  } finally {
    await server.stop();
  }
  const own = `${template}.${process.pid}`;
  execFileSync("cp", ["-a", join(directory, "data"), own]);
  try {
    renameSync(own, template);
  } catch (error) {
    // Another run was faster.
    if (!existsSync(template)) throw error;
    rmSync(own, { recursive: true });
  }
}
