/**
 * What an administrator lets a destination do:
 *
 * - `open`: everything;
 * - `paused`: no waiting job is started; new jobs are still handed to it and wait there, and what runs goes on;
 * - `draining`: the same, and no new job is handed to it, so that nothing is left there when what runs has ended.
 */
export const DESTINATION_MODES = ["open", "paused", "draining"] as const;
export type DestinationMode = (typeof DESTINATION_MODES)[number];
