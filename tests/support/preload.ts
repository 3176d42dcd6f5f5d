import { afterAll } from "bun:test";
import { endRun } from "./run_end.ts";

// Loaded by bunfig.toml, so this is after the last of all files.
afterAll(endRun, 60_000);
