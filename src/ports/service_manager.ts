/**
 * What the daemon tells whoever started it and looks after it: systemd, or nobody. None of these ever fails or waits;
 * sd_notify(3) tells what systemd does with each.
 */
export interface ServiceManager {
  /** Within this time it wants to hear {@link ServiceManager.alive} again; undefined: never. */
  readonly watchdogMs: number | undefined;
  /** The daemon works, or works again after a reload. @param status one line for people */
  ready(status: string): void;
  /** Something worth knowing happened. @param status one line for people */
  status(status: string): void;
  /** The configuration is being read again; to be followed by {@link ServiceManager.ready}. */
  reloading(): void;
  /** The daemon was seen to work. */
  alive(): void;
  /** The daemon is about to end. */
  stopping(): void;
}
