import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync } from "node:fs";
import { join } from "node:path";
import { openJobStore } from "../../../adapters/job_store/build.ts";
import { refuseOldServer } from "../../../adapters/job_store/postgres.ts";
import { BartenderError, StoreUnavailableError } from "../../../src/core/errors.ts";
import { newJob } from "../../conformance/job_store_samples.ts";
import { progressIn, T0 } from "../../support/job_builder.ts";
import { LOCKED_USER, type PostgresServer, startPostgres } from "../../support/postgres_server.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { type TempDir, tempDir } from "../../support/temp_dir.ts";

let server: PostgresServer;
let keys: TempDir;
beforeAll(async () => {
  keys = tempDir();
  makeCertificates(keys.path);
  server = await startPostgres([
    "ssl=on",
    `ssl_cert_file=${join(keys.path, "server.crt")}`,
    `ssl_key_file=${join(keys.path, "server.key")}`,
  ]);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  keys[Symbol.dispose]();
});

/** An authority, and a certificate of it for a server of the name `localhost` only. */
function makeCertificates(directory: string): void {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "ignore" });
  openssl(..."req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=authority".split(" "));
  openssl(..."req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost".split(" "));
  const sign = "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2";
  openssl(...sign.split(" "));
  chmodSync(directory, 0o755);
  chmodSync(join(directory, "server.key"), 0o600);
  if (process.getuid?.() === 0) {
    const nobody = Number(execFileSync("id", ["-u", "nobody"], { encoding: "utf8" }));
    chownSync(join(directory, "server.key"), nobody, nobody);
  }
}

const open = async (url: string) => {
  const store = await openJobStore({ kind: "postgres", url }, { logger: recordingLogger() });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
};

async function refusal(url: string): Promise<BartenderError> {
  const error = await open(url).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof BartenderError)) throw new Error(`expected a refusal, got ${error}`);
  return error;
}

describe("reopening", () => {
  test("finds the jobs, their history and the instance id again", async () => {
    const url = await server.createDatabase();
    const first = await open(url);
    const job = await first.insert(newJob(), T0);
    const saved = await first.save({ ...job, progress: progressIn("running"), attempt: 1 }, T0 + 1);
    const history = await first.history(job.id);
    await first.close();
    await using second = await open(url);
    expect(second.instanceId).toBe(first.instanceId);
    expect(await second.get(job.id)).toEqual(saved);
    expect(await second.history(job.id)).toEqual(history);
  });

  test("processes that open a new database at the same time agree on one instance id", async () => {
    const url = await server.createDatabase();
    const stores = await Promise.all([open(url), open(url), open(url), open(url)]);
    expect(new Set(stores.map((store) => store.instanceId)).size).toBe(1);
    for (const store of stores) await store.close();
  });

  test("two stores in two schemas of one database know nothing of each other", async () => {
    const url = await server.createDatabase();
    await server.sql(url, "create schema one", "create schema two");
    await using one = await open(`${url}?search_path=one`);
    await using two = await open(`${url}?search_path=two`);
    const job = await one.insert(newJob(), T0);
    expect(await two.get(job.id)).toBeUndefined();
    expect(two.instanceId).not.toBe(one.instanceId);
  });

  test("leaves no connection behind after close()", async () => {
    const url = await server.createDatabase();
    const store = await open(url);
    await Promise.all(Array.from({ length: 30 }, () => store.insert(newJob(), T0)));
    await store.close();
    const others = "select count(*)::int as count from pg_stat_activity where datname = current_database()";
    expect(await server.sql(url, `${others} and pid <> pg_backend_pid()`)).toMatchObject([{ count: 0 }]);
  });

  test.each(["UTC", "Asia/Kathmandu", "America/St_Johns"])(
    "keeps times as they are on a server in %s",
    async (zone) => {
      const url = await server.createDatabase();
      await server.sql(url, `alter database ${new URL(url).pathname.slice(1)} set timezone to '${zone}'`);
      await using store = await open(url);
      const job = await store.insert(newJob(), T0 + 123);
      expect(await store.get(job.id)).toEqual(job);
    },
  );
});

describe("what cannot be opened", () => {
  test("a server that is not there is named, and may come back", async () => {
    const error = await refusal("postgres://bartender:s3cret@127.0.0.1:1/jobs");
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect(error.message).toBe(`Database "postgres://127.0.0.1:1/jobs": no database server listens at this address`);
  });

  test("a name that nobody knows is refused", async () => {
    const { message } = await refusal("postgres://bartender:s3cret@no-such-host.invalid/jobs");
    expect(message).toContain("the name of the database server is not known");
  });

  test("a wrong password is refused, and neither it nor the right one is shown", async () => {
    const url = await server.createDatabase();
    await server.sql(
      url,
      `create role ${LOCKED_USER} login password 'right'`,
      `grant all on schema public to ${LOCKED_USER}`,
    );
    const at = new URL(url);
    at.username = LOCKED_USER;
    at.password = "s3cret@,:/";
    const error = await refusal(at.href);
    expect(error.message).toContain(`password authentication failed for user "${LOCKED_USER}"`);
    expect(error.retryable).toBe(false);
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).not.toMatch(/s3cret|s%33cret/);
    at.password = "right";
    await using store = await open(at.href);
    await store.ping();
  });

  test("a database that does not exist is named", async () => {
    const { message, retryable } = await refusal(server.url("no_such_base"));
    expect(message).toContain('database "no_such_base" does not exist');
    expect(retryable).toBe(false);
  });

  test("the database of another program is refused and left as it is", async () => {
    const url = await server.createDatabase();
    await server.sql(url, "create table bookmarks (url text)");
    const { message } = await refusal(url);
    expect(message).toContain('the database belongs to another program, it has a table "bookmarks"');
    const tables = await server.sql(url, "select tablename from pg_tables where schemaname = 'public'");
    expect(tables).toMatchObject([{ tablename: "bookmarks" }]);
  });

  test("a database of a newer version is refused and left as it is", async () => {
    const url = await server.createDatabase();
    await (await open(url)).close();
    await server.sql(url, "insert into bartender_migration values ('0999_future', '2099-01-01T00:00:00.000Z')");
    const { message } = await refusal(url);
    expect(message).toContain("the database was made by a newer version of Bartender");
    expect(message).toContain("0999_future");
  });

  test.each([
    ["sslmode=maybe", 'sslmode: expected one of disable, prefer, require, verify-ca, verify-full, got "maybe"'],
    ["pool_size=0", 'pool_size: expected a whole number from 1 to 1000, got "0"'],
    ["sslrootcert=/no/such/file", "sslrootcert: the file cannot be read: ENOENT"],
    ["no_such_parameter=1", 'unrecognized configuration parameter "no_such_parameter"'],
  ])("the option %s is refused", async (option, text) => {
    const { message, retryable } = await refusal(server.url("postgres", `?${option}`));
    expect(message).toContain(text);
    expect(retryable).toBe(false);
  });

  test("a server older than 15 is refused", () => {
    for (const version of ["15.0", "15.14 (Debian 15.14-0+deb12u1)", "18beta1"]) refuseOldServer(version);
    expect(() => refuseOldServer("14.9 (Ubuntu 14.9-0)")).toThrow(
      "PostgreSQL 15 or newer is needed, the server is 14.9 (Ubuntu 14.9-0)",
    );
  });
});

describe("an encrypted connection", () => {
  const isEncrypted =
    "select ssl from pg_stat_ssl where pid <> pg_backend_pid() and ssl is not null and pid in (select pid from pg_stat_activity where datname = current_database())";
  const at = (url: string, host: string, options: string) => `${url.replace("127.0.0.1", host)}?${options}`;

  test.each([
    ["127.0.0.1", "", true],
    ["127.0.0.1", "sslmode=disable", false],
    ["127.0.0.1", "sslmode=prefer", true],
    ["127.0.0.1", "sslmode=require", true],
    ["127.0.0.1", "sslmode=verify-ca&sslrootcert=CA", true],
    ["localhost", "sslmode=verify-full&sslrootcert=CA", true],
    ["localhost", "sslrootcert=CA", true],
  ])("to %s with %s: %p", async (host, options, encrypted) => {
    const url = await server.createDatabase();
    await using store = await open(at(url, host, options.replace("CA", join(keys.path, "ca.crt"))));
    const job = await store.insert(newJob(), T0);
    expect(await store.get(job.id)).toEqual(job);
    const sessions = await server.sql(url, isEncrypted);
    expect(sessions.length).toBeGreaterThan(0);
    for (const { ssl } of sessions) expect(ssl).toBe(encrypted);
  });

  test("is refused when the certificate is for another name", async () => {
    const url = await server.createDatabase();
    const ca = `sslmode=verify-full&sslrootcert=${join(keys.path, "ca.crt")}`;
    expect((await refusal(at(url, "127.0.0.1", ca))).message).toMatch(/certificate|altname/i);
  });

  test("is refused when nobody vouches for the certificate", async () => {
    const url = await server.createDatabase();
    expect((await refusal(at(url, "localhost", "sslmode=verify-full"))).message).toMatch(/certificate/i);
  });
});
