import type { Command } from "commander";
import { CONSOLE_EXIT_TEXT } from "../console/context.ts";
import type { Clock } from "../ports/clock.ts";
import { EXIT_TEXT } from "./io.ts";
import { manualPage } from "./manual_page.ts";

/** Pages of the manual. */
export const MANUAL_PAGES = ["bartender", "bartender-config"] as const;
export type ManualPageName = (typeof MANUAL_PAGES)[number];

export interface ManualInput {
  readonly program: Command;
  readonly version: string;
  /** `SOURCE_DATE_EPOCH`, in seconds since 1970, is the date of the page, so that packages can be built again. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** A page of the manual in the language of man(7). */
export async function manual(page: ManualPageName, { program, version, env, clock }: ManualInput): Promise<string> {
  const epochS = Number(env.SOURCE_DATE_EPOCH ?? Number.NaN);
  const date = new Date(Number.isSafeInteger(epochS) ? epochS * 1000 : clock.nowMs()).toISOString().slice(0, 10);
  switch (page) {
    case "bartender": {
      const exitStatus = [
        ["bartender console", CONSOLE_EXIT_TEXT],
        ["all other commands", EXIT_TEXT],
      ] as const;
      return manualPage(program, { version, date, exitStatus });
    }
    case "bartender-config": {
      const { configJsonSchema } = await import("../config/json_schema.ts");
      const { configManualPage } = await import("./config_manual.ts");
      return configManualPage(configJsonSchema(), { version, date });
    }
  }
}
