import { CommandStartError, messageOf } from "../../src/core/errors.ts";
import type { CommandResult, CommandRunner } from "../../src/ports/command_runner.ts";
import { type DiracAnswer, faultOfDirac } from "./dirac_answer.ts";
import { DiracProxyError, DiracUnavailableError } from "./dirac_errors.ts";
import { parseProxyInfo } from "./proxy_info.ts";

/** One call of a command of DIRAC. */
export interface DiracCall {
  /** E.g. `dirac-wms-job-status`. */
  readonly program: string;
  readonly args: readonly string[];
  /**
   * Hides DIRAC's log, which goes to the same output as its answers. Not for `dirac-dms-add-file`, `-clean-directory`,
   * `-remove-files` and `dirac-proxy-*`: what they say is nothing but log.
   */
  readonly isQuiet: boolean;
  readonly stdin?: string;
  /** The proxy to use, absolute on the machine with the commands. Default: that of the client. */
  readonly proxyFile?: string;
  /** Absolute, on the machine with the commands. Default: its root directory. */
  readonly cwd?: string;
  /** Default: two minutes. */
  readonly timeoutMs?: number;
}

export interface DiracToolsOptions {
  /** Runs commands on the machine that has DIRAC. */
  readonly runner: CommandRunner;
  /** The whole environment of the commands on this machine; on another host what is added to that of a log-in. */
  readonly environment: Readonly<Record<string, string>>;
  /** Name of that machine in messages. */
  readonly where: string;
  /** Where the proxy is, absolute on that machine; it need not exist. */
  readonly proxyFile: (signal: AbortSignal) => Promise<string>;
}

/** DIRAC's commands as the holder of one proxy. */
export interface DiracTools {
  /**
   * Runs a command to its end. What it answers is the caller's to understand.
   *
   * @throws {DiracUnavailableError} when it could not be run, or did not end in time; it may have done its work
   */
  run(call: DiracCall, signal: AbortSignal): Promise<DiracAnswer>;
  /**
   * The same for commands that need the proxy and DIRAC's services.
   *
   * @throws {DiracProxyError} when it failed because there is no proxy that DIRAC accepts
   * @throws {DiracUnavailableError} also when it failed because a service did not answer
   */
  ask(call: DiracCall, signal: AbortSignal): Promise<DiracAnswer>;
  /** Runs a script of `/bin/sh` with arguments there, without DIRAC. @returns its standard output; its status has to be 0 */
  shell(script: string, args: readonly string[], signal: AbortSignal, stdin?: string): Promise<string>;
}

/** Commands try for some seconds to reach a service that is down, and several of them need several services. */
const DEFAULT_TIMEOUT_MS = 120_000;

const SHELL_TIMEOUT_MS = 60_000;

const MAX_OUTPUT_BYTES = 16_000_000;

export function diracTools({ runner, environment, where, proxyFile }: DiracToolsOptions): DiracTools {
  const start = async (
    program: string,
    command: Omit<Parameters<CommandRunner["run"]>[0], "program" | "maxOutputBytes">,
    signal: AbortSignal,
  ): Promise<CommandResult> => {
    let result: CommandResult;
    try {
      result = await runner.run({ ...command, program, maxOutputBytes: MAX_OUTPUT_BYTES }, signal);
    } catch (error) {
      const isMissing = error instanceof CommandStartError && !error.retryable;
      const advice = isMissing ? "; is DIRAC installed there, and in the PATH?" : "";
      throw new DiracUnavailableError(`${program} could not be run on ${where}: ${messageOf(error)}${advice}`, error);
    }
    if (result.isTimedOut) {
      throw new DiracUnavailableError(`${program} did not answer within ${command.timeoutMs / 1000} s on ${where}`);
    }
    if (result.stdout.isTruncated) throw new DiracUnavailableError(`${program} printed too much on ${where}`);
    return result;
  };

  const run = async (call: DiracCall, signal: AbortSignal): Promise<DiracAnswer> => {
    const { program, args, isQuiet, stdin, cwd, timeoutMs = DEFAULT_TIMEOUT_MS } = call;
    const { returnCode, stdout, stderr } = await start(
      program,
      {
        args: isQuiet ? ["-o", "LogLevel=FATAL", ...args] : args,
        environment: { ...environment, X509_USER_PROXY: call.proxyFile ?? (await proxyFile(signal)) },
        timeoutMs,
        ...(stdin === undefined ? {} : { stdin }),
        ...(cwd === undefined ? {} : { cwd }),
      },
      signal,
    );
    return { program, returnCode, stdout: stdout.text, stderr: stderr.text };
  };

  const proxyFault = async (signal: AbortSignal): Promise<DiracProxyError | undefined> => {
    const { stdout } = await run({ program: "dirac-proxy-info", args: [], isQuiet: false }, signal);
    const proxy = parseProxyInfo(stdout);
    if (proxy !== undefined && proxy.leftS > 0) return undefined;
    const file = await proxyFile(signal);
    return new DiracProxyError(
      proxy === undefined
        ? `There is no DIRAC proxy in ${file} on ${where}`
        : `The DIRAC proxy in ${file} on ${where} is over`,
    );
  };

  return {
    run,
    async ask(call, signal) {
      const answer = await run(call, signal);
      const fault = answer.returnCode === 0 ? undefined : faultOfDirac(answer);
      if (fault === undefined) return answer;
      // Without a proxy the commands for jobs only say that they cannot find their services.
      throw (await proxyFault(signal)) ?? fault;
    },
    async shell(script, args, signal, stdin) {
      const { returnCode, stdout, stderr } = await start(
        "/bin/sh",
        {
          args: ["-c", script, "sh", ...args],
          environment,
          timeoutMs: SHELL_TIMEOUT_MS,
          ...(stdin === undefined ? {} : { stdin }),
        },
        signal,
      );
      if (returnCode === 0) return stdout.text;
      throw new DiracUnavailableError(`A script failed on ${where}: ${stderr.text.trim().slice(0, 500)}`);
    },
  };
}
