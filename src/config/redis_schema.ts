import Type from "typebox";
import { checkedSeconds } from "./duration.ts";
import { DURATIONS, duration } from "./duration_schema.ts";
import { redisDsnFault } from "./redis_dsn.ts";
import { sandboxSchema } from "./sandbox_schema.ts";
import { oneLine, path, secretFile } from "./text_schema.ts";

/*
 * Part of the description of config.yaml, see schema.ts for the rules.
 */

const redisTls = Type.Object(
  {
    ca: Type.Optional(path("Certificates of the authorities to trust, PEM; default is those of the system.")),
    cert: Type.Optional(path("Own certificate, PEM, where the server asks for one.")),
    key: Type.Optional(path("Private key of the own certificate, PEM.")),
    server_name: Type.Optional(oneLine("Name in the certificate of the server; default is the host in redis_dsn.")),
  },
  { description: "Certificates for rediss://.", additionalProperties: false },
);

/** What a performer needs to end its commands before others may take them for lost, and a little more. */
const SHORTEST_HEARTBEAT_S = 15;

/** `type: arq`, also called `redis`. */
export const redisScheduler = Type.Object(
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
      description: "Name of the queue; jobs of one queue share its performers.",
      minLength: 1,
      default: "arq:queue",
    }),
    max_jobs: Type.Integer({ description: "Jobs at the same time per performer.", minimum: 1, default: 10 }),
    job_timeout: duration(`When to end a job: ${DURATIONS}.`, 3600),
    heartbeat_timeout: Type.Refine(
      duration(`A performer that is silent for so long is lost, with its jobs; at least 15 s: ${DURATIONS}.`, 30),
      (value) => checkedSeconds(value) >= SHORTEST_HEARTBEAT_S,
      (value) => `expected at least ${SHORTEST_HEARTBEAT_S} seconds, got ${JSON.stringify(value)}`,
    ),
    drain_timeout: Type.Optional(
      duration(`How long a performer that is stopped waits for its jobs; default is until they end: ${DURATIONS}.`),
    ),
    tls: Type.Optional(redisTls),
    sandbox: sandboxSchema("{directory} stands for the directory of the job."),
  },
  { description: "Hands jobs to performers (`bartender perform`) through Redis.", additionalProperties: false },
);
