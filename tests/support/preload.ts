import { afterAll } from "bun:test";
import { startRunGuard } from "./process_guard.ts";
import { endRun } from "./run_end.ts";
import { TEMP_PREFIX } from "./temp_dir.ts";

// Daemons and servers of tests that were interrupted, or whose time was over, end with the run.
startRunGuard(TEMP_PREFIX);

// Loaded by bunfig.toml, so this is after the last of all files.
afterAll(endRun, 180_000);
