import { afterAll, beforeAll } from "bun:test";
import { commandRunnerSuite } from "../../conformance/command_runner_suite.ts";
import { type SshAccount, sshAccount } from "../../support/ssh_server.ts";
import { sshRunnerWorld } from "./ssh_runner_world.ts";

let account: SshAccount;

beforeAll(() => {
  account = sshAccount("/bin/tcsh");
});

afterAll(() => {
  account[Symbol.dispose]();
});

commandRunnerSuite("ssh to an account with tcsh", () => sshRunnerWorld(account, [], true));
