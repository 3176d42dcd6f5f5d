import Type, { type Static } from "typebox";
import { parseMemoryMb } from "../core/job_resources.ts";
import { DEFAULT_RULES, MAX_RERUNS } from "../core/job_rules.ts";
import { checkedSeconds } from "./duration.ts";
import { DURATIONS, duration } from "./duration_schema.ts";
import { parseJump } from "./proxy_jump.ts";
import { redisDsnFault } from "./redis_dsn.ts";
import { sandboxSchema } from "./sandbox_schema.ts";

/*
 * Part of the description of config.yaml, see schema.ts for the rules.
 */

/** Text that ends up in one line of a script or command. */
function oneLine(description: string) {
  return Type.String({
    description,
    pattern: "^[^\\r\\n\\u0000]+$",
    patternErrorMessage: "should be one line of text",
  });
}

function path(description: string) {
  return Type.String({ description, minLength: 1 });
}

/** Never shown in messages. */
function secret(description: string) {
  return Type.String({ description, writeOnly: true });
}

/** See secrets.ts. */
function secretFile(key: string) {
  return Type.Optional(path(`File that holds what would be ${key}, in one line.`));
}

const sshConfig = Type.Object(
  {
    hostname: oneLine("Host to log in to."),
    port: Type.Integer({ description: "Port of the SSH server.", minimum: 1, maximum: 65_535, default: 22 }),
    username: Type.Optional(oneLine("Login; default is the login of the service's user.")),
    password: Type.Optional(secret("Password; without it default key files and the SSH agent are used.")),
    private_key: Type.Optional(path("Private key file, relative to the working directory; ~ is the home directory.")),
    passphrase: Type.Optional(secret("Opens the private key file.")),
    password_file: secretFile("password"),
    passphrase_file: secretFile("passphrase"),
    known_hosts: Type.Optional(path("File of known host keys; default is ~/.ssh/known_hosts.")),
    host_key_checking: Type.Boolean({
      description: "Refuse a host whose key is not in known_hosts. Switch it off only in a trusted network.",
      default: true,
    }),
    proxy_jump: Type.Optional(
      Type.Refine(
        Type.String({ description: "Reach the host through this one: user@host:port; keys or agent only." }),
        (value) => parseJump(value) !== undefined,
        (value) => `expected a host such as user@gateway.example.org:22, got ${JSON.stringify(value)}`,
      ),
    ),
  },
  { description: "How to log in over SSH.", additionalProperties: false },
);

const proxy = Type.Object(
  {
    valid: Type.Optional(
      Type.String({
        description: "Life time of the proxy as HH:MM; default is 24 hours.",
        pattern: "^\\d{1,4}:[0-5]\\d$",
        patternErrorMessage: "should match the format HH:MM",
      }),
    ),
    cert: Type.Optional(path("Certificate file.")),
    key: Type.Optional(path("Key file.")),
    group: Type.Optional(oneLine("DIRAC group.")),
    password: Type.Optional(secret("Password of the key.")),
    password_file: secretFile("password"),
    min_life: Type.Integer({
      description: "Renew the proxy when no more than this is left, in seconds.",
      minimum: 0,
      default: 1800,
    }),
    log_level: Type.Enum(["DEBUG", "VERBOSE", "INFO", "WARN", "NOTICE", "ERROR", "ALWAYS", "FATAL"], {
      description: "Level of DIRAC's own log.",
      default: "INFO",
    }),
    file: Type.Optional(path("Where the proxy is kept; default is a file of its own among those of Bartender.")),
  },
  { description: "How to make a DIRAC proxy.", additionalProperties: false, default: {} },
);

const sandbox = sandboxSchema("{directory} stands for the directory of the job.");

const memoryScheduler = Type.Object(
  {
    type: Type.Literal("memory"),
    slots: Type.Integer({ description: "Jobs that run at the same time.", minimum: 1, default: 1 }),
    sandbox,
  },
  { description: "Runs jobs as processes on this machine, first in, first out.", additionalProperties: false },
);

const eagerScheduler = Type.Object(
  {
    type: Type.Literal("eager"),
    max_load: Type.Number({
      description: "Start jobs only below this 1-minute load per usable CPU.",
      exclusiveMinimum: 0,
      default: 1,
    }),
    max_wait: Type.Integer({
      description: "Seconds to wait for the load to fall before the job ends with an error.",
      minimum: 0,
      default: 60,
    }),
    timeout: Type.Integer({ description: "Seconds after which a job is ended.", minimum: 1, default: 300 }),
    sandbox,
  },
  { description: "Runs jobs as processes on this machine, at once.", additionalProperties: false },
);

/** Several jobs of one submission, none at all, or one whose files or whose cluster are elsewhere. */
const UNFIT_OPTION = /^\s*(--array|-a|--wait|-W|--test-only|--chdir|-D|--wrap|--clusters|-M)(?=[\s=\d]|$)/;

function memory(description: string) {
  return Type.Refine(
    Type.String({ description, minLength: 1 }),
    (value) => parseMemoryMb(value) !== undefined,
    () => "should be an amount of memory such as 4G or 500M",
  );
}

const slurmScheduler = Type.Object(
  {
    type: Type.Literal("slurm"),
    ssh_config: Type.Optional(sshConfig),
    partition: Type.Optional(oneLine("--partition of sbatch.")),
    time: Type.Optional(oneLine("--time of sbatch.")),
    extra_options: Type.Array(
      Type.Refine(
        oneLine("One #SBATCH line."),
        (option) => !UNFIT_OPTION.test(option),
        (option) => `${option.split(/[\s=]/)[0]} would keep Bartender from following the job`,
      ),
      { description: "Further options for sbatch, one #SBATCH line each.", default: [] },
    ),
    submitter_as_account: Type.Boolean({
      description: "Pass the submitter as --account, in the place of account.",
      default: false,
    }),
    account: Type.Optional(oneLine("--account of sbatch.")),
    qos: Type.Optional(oneLine("--qos of sbatch.")),
    cpus: Type.Optional(Type.Integer({ description: "CPUs of a job that does not say.", minimum: 1 })),
    memory: Type.Optional(memory("Memory of a job that does not say, e.g. 4G.")),
    gpus: Type.Optional(Type.Integer({ description: "GPUs of a job that does not say.", minimum: 0 })),
    max_cpus: Type.Optional(
      Type.Integer({ description: "The most CPUs that a job gets; default is cpus.", minimum: 1 }),
    ),
    max_memory: Type.Optional(memory("The most memory that a job gets; default is memory.")),
    max_gpus: Type.Optional(
      Type.Integer({ description: "The most GPUs that a job gets; default is gpus.", minimum: 0 }),
    ),
    max_time: Type.Optional(duration(`The longest time that a job may ask for: ${DURATIONS}.`)),
    max_jobs: Type.Integer({
      description: "Jobs that are with Slurm at the same time; the others wait here, fair between submitters.",
      minimum: 1,
      default: 10_000,
    }),
  },
  {
    description: "Submits to Slurm; commands run locally, or over SSH with ssh_config.",
    additionalProperties: false,
  },
);

const redisTls = Type.Object(
  {
    ca: Type.Optional(path("Certificates of the authorities to trust, PEM; default is those of the system.")),
    cert: Type.Optional(path("Own certificate, PEM, where the server asks for one.")),
    key: Type.Optional(path("Private key of the own certificate, PEM.")),
    server_name: Type.Optional(oneLine("Name in the certificate of the server; default is the host in redis_dsn.")),
  },
  { description: "Certificates for rediss://.", additionalProperties: false },
);

/** What a worker needs to end its commands before others may take them for lost, and a little more. */
const SHORTEST_HEARTBEAT_S = 15;

const redisScheduler = Type.Object(
  {
    type: Type.Enum(["arq", "redis"]),
    redis_dsn: Type.Refine(
      Type.String({
        description: "Address of the Redis server; port 6379 and database 0 when not given.",
        pattern: "^[rR][eE][dD][iI][sS]{1,2}://",
        writeOnly: true,
        default: "redis://localhost:6379",
      }),
      (value) => redisDsnFault(value) === undefined,
      (value) => redisDsnFault(value) ?? "",
    ),
    password_file: secretFile("the password in redis_dsn"),
    queue: Type.String({
      description: "Name of the queue; jobs of one queue share its workers.",
      minLength: 1,
      default: "arq:queue",
    }),
    max_jobs: Type.Integer({ description: "Jobs at the same time per worker.", minimum: 1, default: 10 }),
    job_timeout: duration(`When to end a job: ${DURATIONS}.`, 3600),
    heartbeat_timeout: Type.Refine(
      duration(`A worker that is silent for so long is lost, with its jobs; at least 15 s: ${DURATIONS}.`, 30),
      (value) => checkedSeconds(value) >= SHORTEST_HEARTBEAT_S,
      (value) => `expected at least ${SHORTEST_HEARTBEAT_S} seconds, got ${JSON.stringify(value)}`,
    ),
    drain_timeout: Type.Optional(
      duration(`How long a worker that is stopped waits for its jobs; default is until they end: ${DURATIONS}.`),
    ),
    tls: Type.Optional(redisTls),
    sandbox,
  },
  { description: "Hands jobs to `bartender perform` workers through Redis.", additionalProperties: false },
);

/** Text that can stand in lists of a job description in JDL, whose parser knows no escapes. */
function jdlText(description: string) {
  return Type.String({
    description,
    pattern: "^[A-Za-z0-9_.:/+@-]+$",
    patternErrorMessage: "should have only letters, digits and _.:/+@-",
  });
}

const diracScheduler = Type.Object(
  {
    type: Type.Literal("dirac"),
    ssh_config: Type.Optional(sshConfig),
    storage_element: jdlText("Storage element for the output."),
    apptainer_image: Type.Optional(path("Container image to run the command in, normally below /cvmfs.")),
    cpu_time: Type.Optional(duration(`CPU time that a job may use, CPUTime of its description: ${DURATIONS}.`)),
    platform: Type.Optional(jdlText("Platform of its description.")),
    sites: Type.Array(jdlText("Name of a site, as in LCG.CERN.ch."), {
      description: "Where jobs may run; default is everywhere.",
      default: [],
    }),
    banned_sites: Type.Array(jdlText("Name of a site."), { description: "Where jobs must not run.", default: [] }),
    tags: Type.Array(jdlText("A tag."), { description: "What the place of a job has to offer.", default: [] }),
    processors: Type.Optional(Type.Integer({ description: "Processors of a job; default is one.", minimum: 1 })),
    max_jobs: Type.Integer({
      description: "Jobs that are with DIRAC at the same time; the others wait here, fair between submitters.",
      minimum: 1,
      default: 1_000,
    }),
    proxy,
  },
  {
    description: "Submits to the DIRAC grid; commands run locally, or over SSH with ssh_config.",
    additionalProperties: false,
  },
);

const localFileSystem = Type.Object(
  { type: Type.Literal("local") },
  { description: "The scheduler sees the same path as this service.", additionalProperties: false },
);

const sftpFileSystem = Type.Object(
  {
    type: Type.Literal("sftp"),
    ssh_config: sshConfig,
    entry: Type.String({
      description: "Remote directory in the place of job_root_dir.",
      minLength: 1,
      pattern: "^/[^\\u0000]*$",
      patternErrorMessage: "should be an absolute path",
      default: "/",
    }),
    keep_remote: Type.Boolean({
      description: "Leave the remote copies of jobs where they are, to look into what went wrong.",
      default: false,
    }),
    checksum: Type.Boolean({
      description: "Compare the SHA-256 of every copied file beside its size.",
      default: false,
    }),
  },
  { description: "Copies job directories over SFTP.", additionalProperties: false },
);

const diracFileSystem = Type.Object(
  {
    type: Type.Literal("dirac"),
    lfn_root: Type.String({
      description: "Grid directory of all jobs: /<VO>/user/<initial>/<username>/<whatever>.",
      pattern: "^/\\w+/user/([a-zA-Z])/\\1[^/]+/",
      patternErrorMessage: "should match the format /<VO>/user/<initial>/<username>/<whatever>",
    }),
    ssh_config: Type.Optional(sshConfig),
    storage_element: jdlText("Storage element for the input."),
    proxy,
  },
  {
    description: "Copies job directories to and from grid storage; commands run locally, or over SSH with ssh_config.",
    additionalProperties: false,
  },
);

const retry = Type.Object(
  {
    max_attempts: Type.Integer({
      description: "How often a copy of files is tried before a fault that may pass ends the job.",
      minimum: 1,
      default: DEFAULT_RULES.maxAttempts,
    }),
    initial_delay: duration(`Wait after the first failure, doubled after each further one: ${DURATIONS}.`, 1),
    max_delay: duration(`The longest wait: ${DURATIONS}.`, 300),
  },
  { description: "How faults that may pass are met.", additionalProperties: false, default: {} },
);

export const destinationSchema = Type.Object(
  {
    scheduler: Type.Union([memoryScheduler, eagerScheduler, slurmScheduler, redisScheduler, diracScheduler], {
      description: "What runs the commands.",
    }),
    filesystem: Type.Union([localFileSystem, sftpFileSystem, diracFileSystem], {
      description: "Where the scheduler finds the files.",
    }),
    poll_interval: Type.Number({
      description:
        "Shortest time between two questions to a scheduler that has to be asked, such as Slurm, in seconds; while " +
        "nothing changes it is asked less, down to once a minute.",
      minimum: 0.1,
      maximum: 3600,
      default: 5,
    }),
    retry,
    max_runtime: Type.Optional(
      duration(`When to end a running command; the smaller one of destination and application counts: ${DURATIONS}.`),
    ),
    on_interrupt: Type.Enum(["error", "rerun"], {
      description:
        "What becomes of a job whose command was interrupted, e.g. by a restart of the machine: it ends with an error, " +
        `or is run again, up to ${MAX_RERUNS} times.`,
      default: "error",
    }),
    when_away: Type.Enum(["queue", "refuse"], {
      description:
        "What becomes of a new job while the destination is known not to answer: it waits, or is refused with status 503.",
      default: "queue",
    }),
  },
  { description: "A place where jobs run.", additionalProperties: false },
);

/** An entry of `destinations` as read from the file, with defaults filled in. */
export type DestinationEntry = Static<typeof destinationSchema>;
export type SshConfigEntry = Static<typeof sshConfig>;
export type ProxyEntry = Static<typeof proxy>;
