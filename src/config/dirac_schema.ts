import Type, { type Static } from "typebox";
import { DURATIONS, duration } from "./duration_schema.ts";
import { sshConfig } from "./ssh_schema.ts";
import { oneLine, path, secret, secretFile } from "./text_schema.ts";

/*
 * Part of the description of config.yaml, see schema.ts for the rules.
 */

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

/** Text that can stand in lists of a job description in JDL, whose parser knows no escapes. */
function jdlText(description: string) {
  return Type.String({
    description,
    pattern: "^[A-Za-z0-9_.:/+@-]+$",
    patternErrorMessage: "should have only letters, digits and _.:/+@-",
  });
}

/** `type: dirac` of a scheduler. */
export const diracScheduler = Type.Object(
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

/** `type: dirac` of a file system. */
export const diracFileSystem = Type.Object(
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

/** `proxy` as read from the file, with defaults filled in. */
export type ProxyEntry = Static<typeof proxy>;
