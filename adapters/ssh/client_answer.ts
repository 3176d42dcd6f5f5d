import { join } from "node:path";
import type { SshClientConfig } from "../../src/config/config.ts";
import { ClientFileError, type ClientReadings, originOf } from "./client_options.ts";
import { clientPath, type PathTokens } from "./client_path.ts";

/** Options that are followed, and where they end up. */
const FOLLOWED = [
  ...["HostName", "Port", "User", "ProxyJump", "IdentityFile", "IdentitiesOnly", "IdentityAgent"],
  ...["UserKnownHostsFile", "GlobalKnownHostsFile", "HostKeyAlias"],
];

/** Options that would change who is reached, how to log in or who is believed, and that nothing here can do. */
const NOT_FOLLOWED = [
  ...["AddressFamily", "BindAddress", "BindInterface", "CertificateFile", "HostbasedAuthentication"],
  ...[
    "KbdInteractiveAuthentication",
    "KnownHostsCommand",
    "NoHostAuthenticationForLocalhost",
    "PasswordAuthentication",
  ],
  ...["PKCS11Provider", "PreferredAuthentications", "PubkeyAuthentication", "RevokedHostKeys", "SecurityKeyProvider"],
  ...["SetEnv", "StrictHostKeyChecking", "VerifyHostKeyDNS"],
];

/** The same, but systems set them for all hosts: only what the user says is told. */
const NOT_FOLLOWED_OF_USER = [
  ...["Ciphers", "HostKeyAlgorithms", "KexAlgorithms", "MACs", "PubkeyAcceptedAlgorithms", "RequiredRSASize"],
];

/** Values of StrictHostKeyChecking that ask for no less than what is done anyway. */
const STRICT = ["ask", "yes", "true"];

/** What the client files say about a host, where our own configuration does not decide. */
export interface ClientAnswer {
  readonly hostname: string | undefined;
  readonly port: number | undefined;
  readonly username: string | undefined;
  readonly client: SshClientConfig | undefined;
  /** Hosts in between, the first one to be reached first, each as in `ProxyJump`. */
  readonly proxyJump: readonly string[];
  /** For people: what is followed, e.g. `Port 2222`, by file. */
  readonly followed: ReadonlyMap<string, readonly string[]>;
  /** For people: what is not. */
  readonly warnings: readonly string[];
}

export interface AnswerContext extends PathTokens {
  /** The host as our configuration calls it. */
  readonly name: string;
  /** Options, in lower case, that our own configuration decides. */
  readonly decided: ReadonlySet<string>;
  /** The client files. */
  readonly files: Readonly<Record<"user" | "system", string>>;
}

/** @throws {ClientFileError} where following only a part would lead somewhere else */
export function clientAnswer(readings: ClientReadings, context: AnswerContext): ClientAnswer {
  const { name: host, decided, files } = context;
  const fileOf = (option: string): string | undefined => {
    const origin = decided.has(option) ? undefined : originOf(option, readings);
    return origin === undefined ? undefined : files[origin];
  };
  const said = (option: string): readonly string[] | undefined =>
    fileOf(option) === undefined ? undefined : (readings.all.get(option) ?? []);

  const commandFile = fileOf("proxycommand");
  if (commandFile !== undefined) {
    throw new ClientFileError(
      `${commandFile} has a ProxyCommand for ${host}, which is not supported: set proxy_jump to the host in between, or to none`,
    );
  }
  const port = said("port")?.[0];
  return {
    hostname: said("hostname")?.[0],
    port: port === undefined ? undefined : Number(port),
    username: said("user")?.[0],
    client: clientConfig(said, readings, context),
    proxyJump: said("proxyjump")?.[0]?.split(",") ?? [],
    followed: followedOptions(said, fileOf),
    warnings: [...NOT_FOLLOWED, ...NOT_FOLLOWED_OF_USER].flatMap((option) => {
      const file = fileOf(option.toLowerCase());
      const values = said(option.toLowerCase()) ?? [];
      if (file === undefined) return [];
      if (NOT_FOLLOWED_OF_USER.includes(option) && file !== files.user) return [];
      if (option === "StrictHostKeyChecking" && values.every((value) => STRICT.includes(value))) return [];
      const instead = option === "StrictHostKeyChecking" ? "; host_key_checking decides" : "";
      return [`${file}: ${option} is not followed for ${host}${instead}`];
    }),
  };
}

type Said = (option: string) => readonly string[] | undefined;

function clientConfig(said: Said, { all }: ClientReadings, context: AnswerContext): SshClientConfig | undefined {
  const identityFiles = said("identityfile")
    ?.filter((file) => file !== "none")
    .map((file) => clientPath(file, context));
  const agentSocket = agentOfText(said("identityagent")?.[0], context.environment);
  const [userFiles, systemFiles] = [said("userknownhostsfile"), said("globalknownhostsfile")];
  // What `ssh -G` takes for the home directory is that of the account, and not $HOME.
  const knownHostsFiles =
    userFiles === undefined && systemFiles === undefined
      ? undefined
      : [
          ...(userFiles === undefined ? [join(context.homeDirectory, ".ssh", "known_hosts")] : pathsOf(userFiles)),
          ...pathsOf(all.get("globalknownhostsfile") ?? []),
        ];
  const hostKeyAlias = said("hostkeyalias")?.[0];
  const config: SshClientConfig = {
    ...(identityFiles === undefined ? {} : { identityFiles }),
    ...(said("identitiesonly")?.[0] === "yes" ? { isIdentitiesOnly: true } : {}),
    ...(agentSocket === undefined ? {} : { agentSocket }),
    ...(knownHostsFiles === undefined ? {} : { knownHostsFiles }),
    ...(hostKeyAlias === undefined ? {} : { hostKeyAlias }),
  };
  return Object.keys(config).length === 0 ? undefined : config;
}

/** A path is resolved already, the name of a variable is not. */
function agentOfText(
  text: string | undefined,
  environment: Readonly<Record<string, string>>,
): string | null | undefined {
  if (text === undefined || text === "SSH_AUTH_SOCK") return undefined;
  if (text === "none") return null;
  return text.startsWith("$") ? (environment[text.slice(1)] ?? null) : text;
}

/** Several paths in one line; where nothing is ever on record, there is none. */
function pathsOf(values: readonly string[]): readonly string[] {
  const paths = values.flatMap((value) => value.split(/\s+/));
  return paths.filter((path) => path !== "" && path !== "none" && path !== "/dev/null");
}

function followedOptions(said: Said, fileOf: (option: string) => string | undefined): ClientAnswer["followed"] {
  const followed = new Map<string, string[]>();
  for (const option of FOLLOWED) {
    const file = fileOf(option.toLowerCase());
    if (file === undefined) continue;
    const lines = (said(option.toLowerCase()) ?? []).map((value) => `${option} ${value}`);
    followed.set(file, [...(followed.get(file) ?? []), ...lines]);
  }
  return followed;
}
