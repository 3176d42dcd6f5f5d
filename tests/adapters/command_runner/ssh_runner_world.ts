import { chownSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { sshCommandRunner } from "../../../adapters/command_runner/ssh.ts";
import { processTable } from "../../../adapters/scheduler/process_table.ts";
import type { CommandDescription } from "../../../src/ports/command_runner.ts";
import type { CommandRunnerWorld } from "../../conformance/command_runner_suite.ts";
import { type SshAccount, type SshServer, sshServer } from "../../support/ssh_server.ts";
import { PATIENT, sshConnection } from "../../support/ssh_world.ts";

const table = processTable();

/** What the server and the login shells set, tcsh more than others. */
const ACCOUNT_VARIABLES = [
  ...["HOME", "LOGNAME", "MAIL", "SHELL", "SSH_CLIENT", "SSH_CONNECTION", "USER"],
  ...["GROUP", "HOST", "HOSTTYPE", "MACHTYPE", "NLSPATH", "OSTYPE", "VENDOR"],
];

/** A runner over a server of its own. */
export interface SshRunnerWorld extends CommandRunnerWorld {
  readonly server: SshServer;
  command(line: string, changes?: Partial<CommandDescription>): CommandDescription;
}

/**
 * @param settings further lines of `sshd_config(5)`
 * @param isPatient for tests in which no host falls silent: a machine with much to do may be slow to end a command
 */
export async function sshRunnerWorld(
  account: SshAccount,
  settings: readonly string[] = [],
  isPatient = false,
): Promise<SshRunnerWorld> {
  const server = await sshServer({ account, settings });
  const link = sshConnection(server.config, isPatient ? PATIENT : {});
  const cwd = join(server.entry, "it's here");
  mkdirSync(cwd);
  chownSync(cwd, account.uid, account.gid);
  return {
    server,
    runner: sshCommandRunner({
      connection: link.connection,
      clock: systemClock(),
      killGraceMs: 300,
      orphanS: isPatient ? 60 : 1,
    }),
    cwd,
    accountVariables: ACCOUNT_VARIABLES,
    isAlive: (pid) => table.read(pid) !== undefined,
    async read(name) {
      const path = join(cwd, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    },
    command: (line, changes) => ({
      program: "sh",
      args: ["-c", line],
      cwd,
      environment: {},
      timeoutMs: 30_000,
      maxOutputBytes: 10_000,
      ...changes,
    }),
    async [Symbol.asyncDispose]() {
      link[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
