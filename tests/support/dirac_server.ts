import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type GridCertificates, makeGridCertificates } from "./dirac/certificates.ts";
import { type CommandResult, runCommand } from "./dirac/command.ts";
import { choosePorts, writeConfiguration } from "./dirac/configuration.ts";
import { startDiracDatabase } from "./dirac/database.ts";
import { DIRAC_HOME, sitePackages } from "./dirac/installation.ts";
import { type DiracService, type DiracServiceName, diracProcess, diracServices } from "./dirac/services.ts";
import { eventually } from "./eventually.ts";
import { startProcessGuard } from "./process_guard.ts";
import { atEndOfRun } from "./run_end.ts";
import { tempDir } from "./temp_dir.ts";

/** A DIRAC server on this machine with its own directory, ports, database, certificates and computers. */
export interface DiracServer {
  readonly directory: string;
  /** Environment of clients, with which all of DIRAC's commands speak to this server; their proxy is {@link proxyFile}. */
  readonly environment: Readonly<Record<string, string>>;
  /** Proxy of the user in group `dirac_user`, for a day. */
  readonly proxyFile: string;
  readonly certificates: GridCertificates;
  readonly services: Readonly<Record<DiracServiceName, DiracService>>;
  /** Brings accepted jobs to the queue. */
  readonly optimizers: DiracService;
  /** The computers; while they are stopped, waiting jobs wait. */
  readonly pilots: DiracService;
  /** Below this storage element's directory on this machine are its files. */
  readonly storageDirectory: string;
  /** Runs a command of DIRAC as a user in a directory of its own. */
  command(program: string, ...args: readonly string[]): Promise<CommandResult>;
  /** Statements in the databases of the server. @returns rows as lines, columns separated by tabs */
  sql(statements: string): string;
  /** Makes a proxy as `dirac-proxy-init` does and uploads it, as jobs take theirs from the server. @param lifetime `HH:MM` */
  makeProxy(file: string, lifetime?: string): Promise<void>;
  /** Makes a proxy that ends so many seconds from now, or has ended; it is not uploaded. */
  makeProxyOf(file: string, lifetimeS: number): Promise<void>;
  /** Lets all services run again, whatever was done to them. */
  repair(): Promise<void>;
  close(): Promise<void>;
}

/** Names that the configuration of the server has. */
export const DIRAC_NAMES = {
  virtualOrganisation: "tutoVO",
  group: "dirac_user",
  /** Where the user may write. */
  lfnRoot: "/tutoVO/user/c/ciuser",
  storageElement: "StorageElementOne",
  site: "DIRAC.Local.nl",
} as const;

export interface DiracServerOptions {
  /** How many jobs run at a time. Default: 8. */
  readonly places?: number;
}

let shared: Promise<DiracServer> | undefined;

/** The server of all files of tests, started by the first that asks; tests have to {@link DiracServer.repair} it. */
export function sharedDiracServer(): Promise<DiracServer> {
  shared ??= startDiracServer().then((server) => {
    atEndOfRun(() => server.close());
    return server;
  });
  return shared;
}

/** Also after a start that failed, nothing is left behind. */
export async function startDiracServer(options: DiracServerOptions = {}): Promise<DiracServer> {
  const { path: directory } = tempDir();
  const guard = startProcessGuard(directory);
  try {
    return { ...(await start(directory, options)), close: () => guard.close() };
  } catch (error) {
    await guard.close();
    throw error;
  }
}

async function start(directory: string, { places = 8 }: DiracServerOptions): Promise<Omit<DiracServer, "close">> {
  const at = (...names: readonly string[]): string => join(directory, ...names);
  // The account of the database passes through.
  await Bun.$`chmod 755 ${directory}`.quiet();
  for (const name of ["home", "log", "pilots", "storage", "sandboxes", "proxies"]) mkdirSync(at(name));
  const ports = await choosePorts();
  const port = (name: string): number => ports.get(name) ?? 0;
  const certificates = makeGridCertificates(at("certificates"));
  const base = {
    PATH: `${join(DIRAC_HOME, "bin")}:${process.env.PATH}`,
    HOME: at("home"),
    X509_CERT_DIR: certificates.authorities,
    LC_ALL: "C.UTF-8",
  };
  const values = {
    HOST_CERT: certificates.host.cert,
    HOST_KEY: certificates.host.key,
    AUTHORITIES: certificates.authorities,
    STORAGE: at("storage"),
    SANDBOXES: at("sandboxes"),
  };
  const write = (template: string, path: string): void => writeConfiguration(template, path, ports, values);
  write("server.cfg", at("server", "etc", "dirac.cfg"));
  write("shared.cfg", at("server", "etc", "MyDIRAC-Production.cfg"));
  write("configuration_server.cfg", at("server", "etc", "Configuration_Server.cfg"));
  write("client.cfg", at("client", "etc", "dirac.cfg"));
  write("pilot.cfg", at("pilot", "etc", "dirac.cfg"));

  const server = { environment: { ...base, DIRAC_ROOT_PATH: at("server") }, logDirectory: at("log"), ports };
  const services = diracServices({ ...server, configurationFile: at("server", "etc", "Configuration_Server.cfg") });
  const optimizers = diracProcess({
    ...server,
    name: "optimizers",
    program: "dirac-executor",
    args: ["WorkloadManagement/Optimizers"],
    isUrgent: true,
    isReady: async (log) => log.includes("Connected to WorkloadManagement/OptimizationMind"),
  });
  const proxyFile = at("proxies", "user");
  const pilotProxy = at("proxies", "pilot");
  const environment = { ...base, DIRAC_ROOT_PATH: at("client"), X509_USER_PROXY: proxyFile };
  const pilots = diracProcess({
    ...server,
    name: "pilots",
    program: process.execPath,
    args: [
      join(import.meta.dir, "dirac", "pilots.ts"),
      JSON.stringify({
        directory: at("pilots"),
        configurationFile: at("pilot", "etc", "dirac.cfg"),
        databasePort: port("Database"),
        places,
      }),
    ],
    environment: {
      ...base,
      X509_USER_PROXY: pilotProxy,
      // The wrapper of jobs is run by the interpreter that the virtual environment links to.
      PYTHONPATH: sitePackages(),
    },
    isReady: async (log) => log.includes("ready"),
  });
  const run = (program: string, ...args: readonly string[]): Promise<CommandResult> =>
    runCommand(program, args, { environment, cwd: at("home") });
  const makeProxy = async (group: string, out: string, ...more: readonly string[]): Promise<void> => {
    const { cert, key } = certificates.user;
    const args = ["-g", group, "-C", cert, "-K", key, "-u", out, ...more];
    // The command uses the proxy that it makes, and looks for it where the environment says.
    const own = { environment: { ...environment, X509_USER_PROXY: out }, cwd: at("home") };
    const { exitCode, stdout, stderr } = await runCommand("dirac-proxy-init", args, own);
    if (exitCode !== 0) throw new Error(`dirac-proxy-init ${args.join(" ")}: ${exitCode}\n${stdout}${stderr}`);
  };

  const [database] = await Promise.all([
    startDiracDatabase(at("mariadb"), port("Database"), base),
    services.configuration.start(),
  ]);
  const { configuration: _, proxies, optimization, jobManager, ...rest } = services;
  const startServicesOfJobs = async (): Promise<void> => {
    // Two services that make the tables of the task queues at the same time disturb each other. And the second tells the first
    // of jobs: if it did not find it, it would look for it again with the first jobs, and not tell of some of those.
    await optimization.start();
    await jobManager.start();
    await Promise.all(Object.values(rest).map((service) => service.start()));
  };
  await Promise.all([
    proxies.start().then(() => makeProxy("dirac_user", proxyFile)),
    makeProxy("dirac_pilot", pilotProxy, "-N").then(() => pilots.start()),
    startServicesOfJobs(),
  ]);
  await startOptimizers(optimizers, (statements) => database.sql(statements));
  const all = [...Object.values(services), optimizers, pilots];
  return {
    directory,
    environment,
    proxyFile,
    certificates,
    services,
    optimizers,
    pilots,
    storageDirectory: at("storage"),
    command: run,
    sql: (statements) => database.sql(statements),
    makeProxy: (file, lifetime = "23:59") => makeProxy(DIRAC_NAMES.group, file, "-v", lifetime),
    async makeProxyOf(file, lifetimeS) {
      const { cert, key } = certificates.user;
      const script = join(import.meta.dir, "dirac", "make_proxy.py");
      const made = await run("python", script, cert, key, file, String(lifetimeS), DIRAC_NAMES.group);
      if (made.exitCode !== 0) throw new Error(`make_proxy.py: ${made.exitCode}\n${made.stdout}${made.stderr}`);
    },
    async repair() {
      for (const service of all) service.thaw();
      for (const service of all) await service.start();
    },
  };
}

/** Number of the first job, beyond all that jobs of tests get. */
const PRIMER = 1_000_000;

/**
 * Starts them on a first job, which they refuse, as it lacks everything: the service that hands jobs to them opens its
 * databases with the first one, and loses others that come at that moment.
 */
async function startOptimizers(optimizers: DiracService, sql: (statements: string) => string): Promise<void> {
  sql(`use JobDB; insert into JobJDLs values (${PRIMER}, '[]', '', ''); insert into Jobs (JobID) values (${PRIMER})`);
  await optimizers.start();
  const status = () => sql(`select Status from JobDB.Jobs where JobID = ${PRIMER}`).trim();
  await eventually("the end of the first job", () => status() === "Failed", 120_000);
  sql(
    "use JobDB; delete from OptimizerParameters; delete from Jobs; delete from JobJDLs; alter table JobJDLs auto_increment = 1",
  );
}
