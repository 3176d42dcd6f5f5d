import Type, { type Static } from "typebox";
import { parseDuration } from "./duration.ts";
import { redisDsnFault } from "./redis_dsn.ts";

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

const sshConfig = Type.Object(
  {
    hostname: oneLine("Host to log in to."),
    port: Type.Integer({ description: "Port of the SSH server.", minimum: 1, maximum: 65_535, default: 22 }),
    username: Type.Optional(oneLine("Login; default is the login of the service's user.")),
    password: Type.Optional(secret("Password; without it default key files and the SSH agent are used.")),
    private_key: Type.Optional(path("Private key file, relative to the working directory; ~ is the home directory.")),
    passphrase: Type.Optional(secret("Opens the private key file.")),
    known_hosts: Type.Optional(path("File of known host keys; default is ~/.ssh/known_hosts.")),
    host_key_checking: Type.Boolean({
      description: "Refuse a host whose key is not in known_hosts. Switch it off only in a trusted network.",
      default: true,
    }),
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
    min_life: Type.Integer({
      description: "Renew the proxy when no more than this is left, in seconds.",
      minimum: 0,
      default: 1800,
    }),
    log_level: Type.Enum(["DEBUG", "VERBOSE", "INFO", "WARN", "NOTICE", "ERROR", "ALWAYS", "FATAL"], {
      description: "Level of DIRAC's own log.",
      default: "INFO",
    }),
  },
  { description: "How to make a DIRAC proxy.", additionalProperties: false, default: {} },
);

const memoryScheduler = Type.Object(
  {
    type: Type.Literal("memory"),
    slots: Type.Integer({ description: "Jobs that run at the same time.", minimum: 1, default: 1 }),
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
  },
  { description: "Runs jobs as processes on this machine, at once.", additionalProperties: false },
);

const slurmScheduler = Type.Object(
  {
    type: Type.Literal("slurm"),
    ssh_config: Type.Optional(sshConfig),
    partition: Type.Optional(oneLine("--partition of sbatch.")),
    time: Type.Optional(oneLine("--time of sbatch.")),
    extra_options: Type.Array(oneLine("One #SBATCH line."), {
      description: "Further options for sbatch, one #SBATCH line each.",
      default: [],
    }),
    submitter_as_account: Type.Boolean({ description: "Pass the submitter as --account.", default: false }),
  },
  {
    description: "Submits to Slurm; commands run locally, or over SSH with ssh_config.",
    additionalProperties: false,
  },
);

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
    queue: Type.String({
      description: "Name of the queue; jobs of one queue share its workers.",
      minLength: 1,
      default: "arq:queue",
    }),
    max_jobs: Type.Integer({ description: "Jobs at the same time per worker.", minimum: 1, default: 10 }),
    job_timeout: Type.Refine(
      Type.Unsafe<number | string>({
        description: "When to end a job: seconds, ISO 8601 with days and time parts (PT12H, P1D), or HH:MM:SS.",
        type: ["integer", "string"],
        minimum: 1,
        pattern:
          "^(\\d+(\\.\\d+)?|\\d+:[0-5]\\d:[0-5]\\d|[pP](?=.*\\d)(\\d+(\\.\\d+)?[dD])?([tT](?=\\d)(\\d+(\\.\\d+)?[hH])?(\\d+(\\.\\d+)?[mM])?(\\d+(\\.\\d+)?[sS])?)?)$",
        default: 3600,
      }),
      (value) => parseDuration(value).isValid,
      (value) => {
        const duration = parseDuration(value);
        return duration.isValid ? "" : duration.reason;
      },
    ),
  },
  { description: "Hands jobs to `bartender perform` workers through Redis.", additionalProperties: false },
);

const diracScheduler = Type.Object(
  {
    type: Type.Literal("dirac"),
    storage_element: oneLine("Storage element for the output."),
    apptainer_image: Type.Optional(path("Container image to run the command in, normally below /cvmfs.")),
    proxy,
  },
  { description: "Submits to the DIRAC grid.", additionalProperties: false },
);

const localFileSystem = Type.Object(
  { type: Type.Literal("local") },
  { description: "The scheduler sees the same path as this service.", additionalProperties: false },
);

const sftpFileSystem = Type.Object(
  {
    type: Type.Literal("sftp"),
    ssh_config: sshConfig,
    entry: Type.String({ description: "Remote directory in the place of job_root_dir.", minLength: 1, default: "/" }),
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
    storage_element: oneLine("Storage element for the input."),
    proxy,
  },
  { description: "Copies job directories to and from grid storage.", additionalProperties: false },
);

export const destinationSchema = Type.Object(
  {
    scheduler: Type.Union([memoryScheduler, eagerScheduler, slurmScheduler, redisScheduler, diracScheduler], {
      description: "What runs the commands.",
    }),
    filesystem: Type.Union([localFileSystem, sftpFileSystem, diracFileSystem], {
      description: "Where the scheduler finds the files.",
    }),
  },
  { description: "A place where jobs run.", additionalProperties: false },
);

/** An entry of `destinations` as read from the file, with defaults filled in. */
export type DestinationEntry = Static<typeof destinationSchema>;
export type SshConfigEntry = Static<typeof sshConfig>;
export type ProxyEntry = Static<typeof proxy>;
