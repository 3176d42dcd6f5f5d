import type { SshConfig } from "../../src/config/config.ts";
import { jumpConfig, parseJump } from "../../src/config/proxy_jump.ts";
import type { ClientAsker } from "./ask_client.ts";
import { type AnswerContext, type ClientAnswer, clientAnswer } from "./client_answer.ts";
import { ClientFileError, type ClientOptions } from "./client_options.ts";
import { DEFAULT_PORT } from "./ssh_host.ts";

/** How to log in, with what the client files of OpenSSH say where our configuration says nothing. */
export interface FollowedClient {
  readonly config: SshConfig;
  /** For people, one line each. */
  readonly followed: readonly string[];
  /** What is not followed, for people, one line each. */
  readonly warnings: readonly string[];
}

export interface FollowSurroundings {
  readonly asker: ClientAsker;
  /** Home directory of the service's user. */
  readonly homeDirectory: string;
  /** Login of the service's user; may throw where it has none. */
  readonly serviceUser: () => string;
  /** Of this machine. */
  readonly machine: string;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Follows the client files for a host and for those in between.
 *
 * @throws {ClientFileError} where a file has a fault, or following only a part would lead somewhere else
 */
export async function followClient(
  config: SshConfig,
  surroundings: FollowSurroundings,
  signal: AbortSignal,
): Promise<FollowedClient> {
  const followed: string[] = [];
  const warnings: string[] = [];

  /**
   * @param behind the questions about hosts behind this one
   * @param defaultUser of hosts in between without one; undefined: as for the host behind them
   */
  const follow = async (
    host: SshConfig,
    behind: readonly string[],
    defaultUser: string | undefined,
  ): Promise<SshConfig> => {
    const { hostname, port, username, proxyJump } = host;
    const question = { hostname, port, username, isWayDecided: proxyJump !== undefined };
    const asked = JSON.stringify(question);
    if (behind.includes(asked))
      throw new ClientFileError(`ProxyJump leads in a circle: ${hostname} is reached through itself`);
    const isJump = behind.length > 0;
    const reply = await surroundings.asker.ask(question, signal);
    if (reply.type === "missed") warnings.push(reply.reason);
    const answer =
      reply.type === "read" ? clientAnswer(reply, contextOf(host, isJump, reply.all, surroundings)) : undefined;
    for (const [file, options] of answer?.followed ?? [])
      followed.push(`${file} for ${hostname}: ${options.join(", ")}`);
    warnings.push(...(answer?.warnings ?? []));
    const said = withAnswer(host, answer);
    const own = isJump ? { ...said, username: said.username ?? defaultUser } : said;
    const way = proxyJump ?? jumpOf(own, answer?.proxyJump ?? []);
    if (way === undefined || way === "none") return { ...own, proxyJump: undefined };
    return {
      ...own,
      proxyJump: await follow(
        way,
        [...behind, asked],
        proxyJump === undefined ? surroundings.serviceUser() : defaultUser,
      ),
    };
  };

  const result = await follow(config, [], undefined);
  return { config: result, followed: [...new Set(followed)], warnings: [...new Set(warnings)] };
}

/** What our configuration names always wins. */
function withAnswer(host: SshConfig, answer: ClientAnswer | undefined): SshConfig {
  return {
    ...host,
    hostname: answer?.hostname ?? host.hostname,
    // Said or not, it is the same host for everybody.
    port: host.port ?? answer?.port ?? DEFAULT_PORT,
    username: host.username ?? answer?.username,
    ...(answer?.client === undefined ? {} : { client: answer.client }),
  };
}

/** The last host in between, with those before it. */
function jumpOf(behind: SshConfig, jumps: readonly string[]): SshConfig | undefined {
  let way: SshConfig | undefined;
  for (const text of jumps) {
    const jump = parseJump(text.replace(/^ssh:\/\//, "").replace(/\/$/, ""));
    if (jump === undefined) {
      throw new ClientFileError(`The ProxyJump of ${behind.hostname} is not understood: ${JSON.stringify(text)}`);
    }
    way = { ...jumpConfig(behind, jump), proxyJump: way };
  }
  return way;
}

function contextOf(
  host: SshConfig,
  isJump: boolean,
  said: ClientOptions,
  { asker, homeDirectory, serviceUser, machine, environment }: FollowSurroundings,
): AnswerContext {
  const { hostname: name } = host;
  const option = (key: string): string | undefined => said.get(key)?.[0];
  const [hostname = name, port = "", user = ""] = ["hostname", "port", "user"].map(option);
  const letters = {
    ...{ "%": "%", d: homeDirectory, h: hostname, n: name, p: port, r: user },
    ...{ k: option("hostkeyalias") ?? name, l: machine, L: machine.replace(/\..*/, "") },
    get u() {
      return serviceUser();
    },
  };
  return { name, decided: decidedBy(host, isJump), files: asker.files, homeDirectory, letters, environment };
}

/** What the files say about these options does not count. A host in between may need another key than the one behind it. */
function decidedBy(config: SshConfig, isJump: boolean): ReadonlySet<string> {
  const { knownHostsFile, isHostKeyChecked, privateKeyFile, password } = config;
  const records = ["userknownhostsfile", "globalknownhostsfile"];
  const trust = [...records, "hostkeyalias", "stricthostkeychecking", "revokedhostkeys", "knownhostscommand"];
  const keys = ["identityfile", "identitiesonly", "certificatefile"];
  const hasKey = privateKeyFile !== undefined && !isJump;
  return new Set([
    ...(knownHostsFile === undefined ? [] : records),
    ...(isHostKeyChecked ? [] : [...trust, "nohostauthenticationforlocalhost", "verifyhostkeydns"]),
    ...(hasKey ? keys : []),
    ...(password === undefined ? [] : [...keys, ...(hasKey ? [] : ["identityagent"])]),
  ]);
}
