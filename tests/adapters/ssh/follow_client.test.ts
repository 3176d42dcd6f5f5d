import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jumpConfig } from "../../../src/config/proxy_jump.ts";
import { BARE, clientFilesWorld, SERVICE_USER } from "../../support/client_files.ts";
import { unprivileged } from "../../support/unprivileged.ts";

/*
 * Every answer is that of the installed ssh(1).
 */

/** What comes of a configuration that names only the host. */
const PLAIN = { ...BARE, port: 22 };

describe("a client file", () => {
  test("gives what our own configuration does not name", async () => {
    using world = clientFilesWorld();
    world.write(`
Host cluster
  HostName login1.cluster.example.org
  Port 2222
  User jobs
  IdentityFile ~/.ssh/cluster
  IdentityFile /keys/%u-%r@%h-%n:%p
  IdentitiesOnly yes
  UserKnownHostsFile /known/a /known/b
  HostKeyAlias Cluster
  IdentityAgent ${world.path}/agent
`);
    const { config, followed, warnings } = await world.follow({ hostname: "cluster" });
    expect(config).toEqual({
      ...PLAIN,
      hostname: "login1.cluster.example.org",
      port: 2222,
      username: "jobs",
      client: {
        identityFiles: [
          join(world.path, ".ssh/cluster"),
          `/keys/${SERVICE_USER}-jobs@login1.cluster.example.org-cluster:2222`,
        ],
        isIdentitiesOnly: true,
        agentSocket: join(world.path, "agent"),
        knownHostsFiles: ["/known/a", "/known/b", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"],
        hostKeyAlias: "cluster",
      },
    });
    expect(followed).toEqual([
      expect.stringContaining(
        `${world.userFile} for cluster: HostName login1.cluster.example.org, Port 2222, User jobs, IdentityFile ~/.ssh/cluster, `,
      ),
    ]);
    expect(warnings).toEqual([]);
  });

  test("says nothing about hosts that it does not know, so that those share the connection of their equals", async () => {
    using world = clientFilesWorld();
    world.write("Host alias\n  HostName host\n  User me\n");
    world.writeSystem("Host *\n  SendEnv LANG LC_*\n  HashKnownHosts yes\n");
    expect(await world.follow({})).toEqual({ config: PLAIN, followed: [], warnings: [] });
    const { config } = await world.follow({ hostname: "alias" });
    expect(config).toEqual((await world.follow({ username: "me" })).config);
  });

  test("need not be there", async () => {
    using world = clientFilesWorld();
    expect((await world.follow({})).config).toEqual(PLAIN);
  });

  test("is read as OpenSSH does: the first value counts, patterns, Include and Match", async () => {
    using world = clientFilesWorld();
    mkdirSync(join(world.path, ".ssh", "config.d"));
    writeFileSync(join(world.path, ".ssh", "config.d", "lab"), "Host *.lab !gate.lab\n  Port 5\n");
    world.write(`Include config.d/*
Host node?.lab
  Port 6
  User first
Match host node1.lab user first exec "test %h = node1.lab"
  HostKeyAlias matched
Match final host node2.lab
  HostKeyAlias final
Host *
  User second
`);
    const answers = ["node1.lab", "node2.lab", "gate.lab", "elsewhere"].map(async (hostname) => {
      const { port, username, client } = (await world.follow({ hostname })).config;
      return [hostname, port, username, client?.hostKeyAlias];
    });
    expect(await Promise.all(answers)).toEqual([
      ["node1.lab", 5, "first", "matched"],
      ["node2.lab", 5, "first", "final"],
      ["gate.lab", 22, "second", undefined],
      ["elsewhere", 22, "second", undefined],
    ]);
  });

  test("of the system comes after that of the user, and each is named for its values", async () => {
    using world = clientFilesWorld();
    world.writeSystem("Host h\n  Port 7\n  User system\n");
    expect((await world.follow({ hostname: "h" })).config).toMatchObject({ port: 7, username: "system" });
    world.write("Host h\n  User user\n");
    const { config, followed } = await world.follow({ hostname: "h" });
    expect(config).toMatchObject({ port: 7, username: "user" });
    expect(followed.toSorted()).toEqual(
      [`${world.userFile} for h: User user`, `${world.systemFile} for h: Port 7`].toSorted(),
    );
  });

  test("does not count where our own configuration names something", async () => {
    using world = clientFilesWorld();
    world.write(`Match user me
  Port 1
  HostKeyAlias seen
Host *
  User other
  IdentityFile ~/.ssh/other
  IdentitiesOnly yes
  UserKnownHostsFile /other
  ProxyCommand nc %h %p
`);
    const own = {
      ...{ port: 22, username: "me", privateKeyFile: "/own/key", knownHostsFile: "/own/known_hosts" },
      proxyJump: "none" as const,
    };
    const { config, followed } = await world.follow(own);
    // What we name is what Match compares with.
    expect(config).toEqual({ ...PLAIN, ...own, proxyJump: undefined, client: { hostKeyAlias: "seen" } });
    expect(followed).toEqual([`${world.userFile} for host: HostKeyAlias seen`]);
    const secret = await world.follow({ ...own, privateKeyFile: undefined, password: "pw" });
    expect(secret.config.client).toEqual({ hostKeyAlias: "seen" });
  });

  test("names an agent by its path, by a variable, or none", async () => {
    using world = clientFilesWorld();
    world.write(`Host none
  IdentityAgent none
Host usual
  IdentityAgent SSH_AUTH_SOCK
Host variable
  IdentityAgent $AGENT
`);
    const agentOf = async (hostname: string) =>
      (await world.follow({ hostname }, { AGENT: "/run/agent" })).config.client;
    expect(await agentOf("none")).toEqual({ agentSocket: null });
    expect(await agentOf("usual")).toBeUndefined();
    expect(await agentOf("variable")).toEqual({ agentSocket: "/run/agent" });
  });

  test("that leaves no record of hosts does not switch the check off", async () => {
    using world = clientFilesWorld();
    world.write("Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  GlobalKnownHostsFile none\n");
    const { config, warnings } = await world.follow({});
    expect(config).toEqual({ ...PLAIN, client: { knownHostsFiles: [] } });
    expect(warnings).toEqual([
      `${world.userFile}: StrictHostKeyChecking is not followed for host; host_key_checking decides`,
    ]);
    expect((await world.follow({ isHostKeyChecked: false })).warnings).toEqual([]);
  });
});

describe("hosts in between", () => {
  test("have sections of their own, and are reached one through the other", async () => {
    using world = clientFilesWorld();
    world.write(`Host inner
  ProxyJump first,me@second:2022
Host first
  HostName first.example.org
  IdentityFile ~/.ssh/first
  ProxyJump zeroth
Host second
  HostName second.example.org
  Port 1
  ProxyJump never
Host zeroth
  User nought
`);
    const { config } = await world.follow({ hostname: "inner", username: "jobs", privateKeyFile: "/key" });
    const own = { ...PLAIN, privateKeyFile: "/key" };
    expect(config).toEqual({
      ...own,
      hostname: "inner",
      username: "jobs",
      proxyJump: {
        ...{ ...own, hostname: "second.example.org", port: 2022, username: "me" },
        proxyJump: {
          ...{ ...own, hostname: "first.example.org", username: SERVICE_USER },
          client: { identityFiles: [join(world.path, ".ssh/first")] },
          proxyJump: { ...own, hostname: "zeroth", username: "nought" },
        },
      },
    });
  });

  test("of our own configuration have them, too, and take the account of the host behind where nobody names one", async () => {
    using world = clientFilesWorld();
    world.write(
      "Host gate\n  HostName gate.example.org\n  Port 2022\nHost other\n  User them\nHost host\n  ProxyJump never\n",
    );
    const through = async (hostname: string) => {
      const behind = { ...BARE, username: "jobs", password: "pw" };
      const jump = jumpConfig(behind, { hostname, port: undefined, username: undefined });
      return (await world.follow({ ...behind, proxyJump: jump })).config.proxyJump;
    };
    expect(await through("gate")).toEqual({ ...PLAIN, hostname: "gate.example.org", port: 2022 });
    expect(await through("other")).toEqual({ ...PLAIN, hostname: "other", username: "them" });
  });

  test("that lead in a circle are refused", async () => {
    using world = clientFilesWorld();
    world.write("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n");
    await expect(world.follow({ hostname: "a" })).rejects.toThrow("ProxyJump leads in a circle");
    world.write("Host *\n  ProxyJump gate\n");
    await expect(world.follow({ hostname: "a" })).rejects.toThrow("loop via gate");
  });
});

describe("what cannot be followed", () => {
  test("is a fault where only a part would lead somewhere else", async () => {
    using world = clientFilesWorld();
    world.write("Host host\n  ProxyCommand ssh -W %h:%p gate\n  IdentityFile ~/.ssh/%C\n");
    await expect(world.follow({})).rejects.toThrow(
      `${world.userFile} has a ProxyCommand for host, which is not supported: set proxy_jump`,
    );
    await expect(world.follow({ proxyJump: "none" })).rejects.toThrow("IdentityFile ~/.ssh/%C cannot be resolved");
    world.write("Host *\n  IdentityFile ~other/key\n");
    await expect(world.follow({})).rejects.toThrow("IdentityFile ~other/key cannot be resolved");
  });

  test("is told with the file", async () => {
    using world = clientFilesWorld();
    const text = "Host host\n  BindAddress 10.0.0.1\n  CertificateFile ~/c\n  SetEnv A=b\n";
    world.write(`${text}  Ciphers aes256-ctr\n  ForwardAgent yes\n`);
    const expected = ["BindAddress", "CertificateFile", "SetEnv"];
    const lines = (file: string, names: readonly string[]) =>
      names.map((name) => `${file}: ${name} is not followed for host`);
    expect((await world.follow({})).warnings).toEqual(lines(world.userFile, [...expected, "Ciphers"]));
    // Systems have a policy for all hosts.
    world.write("");
    world.writeSystem(`${text}  Ciphers aes256-ctr\n`);
    expect((await world.follow({})).warnings).toEqual(lines(world.systemFile, expected));
  });

  test.each([
    ["Host host\n  Prot 22\n", 2, "Bad configuration option: prot"],
    ["Host host\n  Port many\n", 2, "Bad port 'many'"],
    ["\n\nMatch hots host\n", 3, "Bad Match condition"],
    ['Host "host\n', 1, "invalid quotes"],
    ["Host other\n  ProxyJump a@:b\n", 2, "Invalid ProxyJump"],
  ])("a faulty file is told with its line: %j", async (text, line, reason) => {
    using world = clientFilesWorld();
    world.write(text);
    const fault = await world.follow({}).catch((error: unknown) => String(error));
    expect(fault).toMatch(new RegExp(`^ClientFileError: .*${world.userFile}:? line ${line}: ${reason}`));
    expect(fault).not.toContain("terminating");
  });

  test("a fault in an included file is told with that file", async () => {
    using world = clientFilesWorld();
    const more = join(world.path, "more");
    writeFileSync(more, "Host *\n  Foo bar\n");
    world.write(`Include ${more}\n`);
    await expect(world.follow({})).rejects.toThrow(`${more}: line 2: Bad configuration option: foo`);
  });

  test("a file that others may change, or that cannot be read, is a fault", async () => {
    using world = clientFilesWorld();
    world.write("Host *\n  Port 5\n");
    chmodSync(world.userFile, 0o666);
    await expect(world.follow({})).rejects.toThrow(`Bad owner or permissions on ${world.userFile}`);
    chmodSync(world.userFile, 0);
    await unprivileged(world.path, async () => {
      await expect(world.follow({})).rejects.toThrow(`user config file ${world.userFile}: Permission denied`);
    });
  });

  test("without ssh(1) a file is told as not followed", async () => {
    using world = clientFilesWorld();
    const empty = join(world.path, "empty");
    mkdirSync(empty);
    world.writeSystem("Host *\n  Port 5\n");
    expect(await world.follow({}, { PATH: empty })).toEqual({ config: PLAIN, followed: [], warnings: [] });
    world.write("Host *\n  Port 5\n");
    const { config, warnings } = await world.follow({}, { PATH: empty });
    expect(config).toEqual(PLAIN);
    expect(warnings).toEqual([`${world.userFile} is not followed: ssh(1) is not installed`]);
  });
});
