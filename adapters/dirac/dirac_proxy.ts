import { randomUUID } from "node:crypto";
import type { ProxyConfig } from "../../src/config/config.ts";
import { BartenderError } from "../../src/core/errors.ts";
import type { Credential, CredentialCheck } from "../../src/ports/credential.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { type DiracAnswer, lastWordsOf } from "./dirac_answer.ts";
import type { DiracTools } from "./dirac_tools.ts";
import { parseProxyInfo } from "./proxy_info.ts";

export interface DiracProxyOptions {
  readonly id: string;
  readonly tools: Pick<DiracTools, "run" | "shell">;
  readonly config: ProxyConfig;
  /** Where the proxy is, absolute on the machine with DIRAC's commands; it need not exist. */
  readonly proxyFile: (signal: AbortSignal) => Promise<string>;
  /** Name of that machine in messages. */
  readonly where: string;
  readonly logger: Logger;
}

/** A proxy could not be made; an administrator, or time, can mend that. */
class ProxyRefusedError extends BartenderError {
  constructor(message: string) {
    super("proxy_refused", message, { retryable: true });
  }
}

/** Levels of DIRAC's log that tell at least what is needed here. */
const TALKATIVE = ["DEBUG", "VERBOSE", "INFO"];

/**
 * A proxy of DIRAC in its file. One that somebody else has put there is used as long as it is valid.
 *
 * `dirac-proxy-init` writes a proxy without group first and completes it later, so that a new one grows beside the file
 * and takes its place when it is found to be good. It goes to DIRAC's ProxyManager, too, from where jobs get theirs.
 */
export function diracProxy(options: DiracProxyOptions): Credential {
  const { id, tools, config, proxyFile, where, logger } = options;

  const look = async (file: string, signal: AbortSignal): Promise<CredentialCheck> => {
    const program = "dirac-proxy-info";
    const answer = await tools.run({ program, args: ["-f", file, "-v"], isQuiet: false, proxyFile: file }, signal);
    return readProxyInfo(answer, `${file} on ${where}`, config.group);
  };

  return {
    id,
    name: "DIRAC proxy",
    minLifeS: config.minLifeS,
    check: async (signal) => await look(await proxyFile(signal), signal),
    async make(signal) {
      const file = await proxyFile(signal);
      // Others may make one at the same time, if they were given the same file.
      const fresh = `${file}.${randomUUID()}.new`;
      const given = [config.certFile, config.keyFile].filter((path) => path !== undefined);
      const unreadable = await tools.shell(UNREADABLE, given, signal);
      if (unreadable !== "") {
        throw new ProxyRefusedError(
          `No proxy can be made on ${where}: ${unreadable} cannot be read. ${CERTIFICATE_ADVICE}, or make a proxy by hand in ${file}`,
        );
      }
      try {
        const answer = await tools.run(
          {
            program: "dirac-proxy-init",
            args: initArguments(config, fresh),
            isQuiet: false,
            proxyFile: fresh,
            // An encrypted key asks for a password; without one it must find the end of its input.
            ...(config.password === undefined ? {} : { stdin: `${config.password}\n` }),
          },
          signal,
        );
        logger.debug("What dirac-proxy-init said", { output: answer.stdout });
        const refusal = refusalOf(answer, config, file, where);
        if (refusal !== undefined) throw new ProxyRefusedError(refusal);
        const { leftS, reason } = await look(fresh, signal);
        if (leftS === 0) throw new ProxyRefusedError(`A new proxy was made, but is of no use: ${reason}`);
        await tools.shell(PUBLISH, [fresh, file], signal);
      } catch (error) {
        await tools.shell('rm -f -- "$1"', [fresh], AbortSignal.timeout(CLEAN_UP_MS)).catch(() => undefined);
        throw error;
      }
    },
  };
}

/** Names the first file that cannot be read; DIRAC takes a key that is not there for an encrypted one. */
const UNREADABLE = 'for f; do [ -r "$f" ] || { printf %s "$f"; break; }; done';

const CERTIFICATE_ADVICE = "Correct proxy.cert and proxy.key";

/** What killed daemons have left goes, too. */
const PUBLISH =
  'chmod 600 "$1" && mv -f -- "$1" "$2" && find "$(dirname "$2")" -maxdepth 1 -name "$(basename "$2").*.new" -mmin +60 -exec rm -f {} +';

const CLEAN_UP_MS = 10_000;

/** Characters of what DIRAC says that are shown. */
const MAX_REASON = 300;

function initArguments({ group, valid, certFile, keyFile, password, logLevel }: ProxyConfig, file: string) {
  return [
    // Without it a proxy that could not be given to the ProxyManager, or got no VOMS extension, counts as good.
    "-t",
    ...(group === undefined ? [] : ["-g", group]),
    ...(valid === undefined ? [] : ["-v", valid]),
    ...(certFile === undefined ? [] : ["-C", certFile]),
    ...(keyFile === undefined ? [] : ["-K", keyFile]),
    ...(password === undefined ? [] : ["-p"]),
    ...(TALKATIVE.includes(logLevel) ? ["-o", `LogLevel=${logLevel}`] : []),
    "-u",
    file,
  ];
}

/**
 * Reads what `dirac-proxy-info -v` prints: its status alone says too little, as it is 0 for what is no proxy and 1 for a
 * good one when the Configuration service is away.
 *
 * @param place of the proxy, for messages
 * @param group that it has to be for; undefined: any
 */
export function readProxyInfo(
  { returnCode, stdout, stderr, program }: DiracAnswer,
  place: string,
  group: string | undefined,
): CredentialCheck {
  const none = (reason: string): CredentialCheck => ({ leftS: 0, reason });
  const leftS = parseProxyInfo(stdout)?.leftS;
  if (leftS === undefined) {
    if (/\( ?1101 ?:|FileNotFoundError/.test(stdout)) return none(`There is no proxy in ${place}`);
    return none(`The proxy in ${place} cannot be read: ${lastWordsOf({ returnCode, stdout, stderr, program })}`);
  }
  if (leftS === 0) return none(`The proxy in ${place} has ended`);
  if (stdout.includes("The proxy is not valid")) return none(`What is in ${place} is no proxy`);
  const [, found] = /^DIRAC group *: (\S+)$/m.exec(stdout) ?? [];
  // Nothing is said about the group then, or only that it is not known.
  const isUnchecked = stdout.includes("Cannot contact CS");
  if (group !== undefined && found !== group && !(isUnchecked && found === undefined)) {
    return none(`The proxy in ${place} is for group ${found ?? "none"} and not for ${group}`);
  }
  const [, fault] = /Invalid proxy: *(.*)$/m.exec(stdout) ?? [];
  if (fault !== undefined && !isUnchecked) return none(`The proxy in ${place} is not accepted: ${fault.trim()}`);
  return { leftS, reason: "" };
}

/** Why no proxy was made and what to do about it; undefined when one was. */
export function refusalOf(
  answer: DiracAnswer,
  { group, keyFile, password }: ProxyConfig,
  file: string,
  where: string,
): string | undefined {
  const { returnCode, stdout, stderr } = answer;
  const byHand = `or make a proxy by hand in ${file}`;
  const said = (pattern: RegExp): string | undefined => pattern.exec(stdout)?.[0].trim();
  const certificate = said(/Cannot load certificate .*/) ?? said(/Can't find user certificate and key.*/);
  if (certificate !== undefined) {
    return `No proxy can be made on ${where}: ${certificate}. ${CERTIFICATE_ADVICE}, ${byHand}`;
  }
  if (/Bad passphrase/.test(stdout)) {
    return password === undefined
      ? `The key ${keyFile ?? "of the proxy"} on ${where} is encrypted: set proxy.password, ${byHand}`
      : `The password does not open the key ${keyFile ?? "of the proxy"} on ${where}: correct proxy.password`;
  }
  if (returnCode !== 0 && password === undefined && /Traceback/.test(stderr) && /prompt|EOFError/.test(stderr)) {
    return `The key ${keyFile ?? "of the proxy"} on ${where} is encrypted: set proxy.password, ${byHand}`;
  }
  const key = said(/Can't load .*/);
  if (key !== undefined) return `No proxy can be made on ${where}: ${key}. Correct proxy.key, ${byHand}`;
  const refusedGroup = said(/Requested group .* is not valid for DN .*/);
  if (refusedGroup !== undefined) {
    return `DIRAC refuses a proxy: ${refusedGroup}. Set proxy.group to ${group === undefined ? "one" : "another one"} of that user's groups`;
  }
  const registration = said(/DN .* is not registered.*/) ?? said(/User .* has no groups defined.*/);
  if (registration !== undefined) return `DIRAC refuses a proxy: ${registration}. Have the user registered`;
  // The reason may stand in the lines below.
  const configuration = said(/Can't contact DIRAC CS: [\s\S]*/)?.replace(/\s+/g, " ");
  if (configuration !== undefined) return `No proxy can be made on ${where}: ${configuration.slice(0, MAX_REASON)}`;
  if (/Can't parse time!/.test(stdout)) return "DIRAC does not understand proxy.valid: it has to be HH:MM";
  return returnCode === 0 ? undefined : `No proxy can be made on ${where}: ${lastWordsOf(answer)}`;
}
