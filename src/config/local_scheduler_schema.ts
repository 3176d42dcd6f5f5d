import Type from "typebox";
import { sandboxSchema } from "./sandbox_schema.ts";

/*
 * Part of the description of config.yaml, see schema.ts for the rules.
 */

const sandbox = sandboxSchema("{directory} stands for the directory of the job.");

/** `type: memory`. */
export const memoryScheduler = Type.Object(
  {
    type: Type.Literal("memory"),
    slots: Type.Integer({ description: "Jobs that run at the same time.", minimum: 1, default: 1 }),
    sandbox,
  },
  { description: "Runs jobs as processes on this machine, first in, first out.", additionalProperties: false },
);

/** `type: eager`. */
export const eagerScheduler = Type.Object(
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
