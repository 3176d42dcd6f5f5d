/** One setting of the environment, for whoever has to set it. */
interface Variable {
  readonly name: string;
  /** What holds without it, in words. */
  readonly fallback?: string;
  /** One sentence without a final period. */
  readonly description: string;
}

/** All variables that are read; the one source of what is known, and of the manual page. */
export const VARIABLES = [
  { name: "BARTENDER_HOST", fallback: "127.0.0.1", description: "address to listen on" },
  { name: "BARTENDER_PORT", fallback: "8000", description: "port to listen on; 0 takes a free one" },
  {
    name: "BARTENDER_CONFIG_FILENAME",
    fallback: "config.yaml",
    description: "configuration file; without the default one, config-example.yaml is taken with a warning",
  },
  {
    name: "BARTENDER_PUBLIC_KEY",
    fallback: "public_key.pem",
    description: "RSA public key that tokens are checked with, PEM",
  },
  {
    name: "BARTENDER_DB_URL",
    fallback: "sqlite:bartender.db",
    description: "database: sqlite:<path>, or postgres://user:password@host:port/base",
  },
  {
    name: "BARTENDER_DB_HOST",
    fallback: "localhost",
    description: "host of PostgreSQL; any of the variables of this kind chooses PostgreSQL",
  },
  { name: "BARTENDER_DB_PORT", fallback: "5432", description: "port of PostgreSQL" },
  { name: "BARTENDER_DB_USER", fallback: "bartender", description: "login of PostgreSQL" },
  { name: "BARTENDER_DB_PASS", fallback: "bartender", description: "password of PostgreSQL" },
  { name: "BARTENDER_DB_PASS_FILE", description: "file that holds that password, in one line" },
  { name: "BARTENDER_DB_BASE", fallback: "bartender", description: "name of the database of PostgreSQL" },
  { name: "BARTENDER_LOG_LEVEL", fallback: "info", description: "critical, error, warning, info, debug or trace" },
  {
    name: "BARTENDER_METRICS_PORT",
    fallback: "off",
    description: "port where measures for Prometheus are served; 0 takes a free one",
  },
  { name: "BARTENDER_METRICS_HOST", fallback: "127.0.0.1", description: "address of that port" },
  {
    name: "BARTENDER_CONSOLE_SOCKET",
    fallback: "/run/bartender/console.sock where that may be written, else beside the database",
    description: "socket of the console, for serve and console",
  },
  {
    name: "BARTENDER_URL",
    fallback: "http://127.0.0.1:8000",
    description: "address of the daemon, for submit, jobs, logs and download",
  },
  { name: "BARTENDER_TOKEN", description: "token for the same commands" },
  { name: "BARTENDER_TOKEN_FILE", description: "file with that token" },
  { name: "BARTENDER_WORKERS_COUNT", fallback: "1", description: "read for compatibility, without effect" },
  { name: "BARTENDER_RELOAD", fallback: "false", description: "read for compatibility, without effect" },
  { name: "BARTENDER_ENVIRONMENT", fallback: "dev", description: "read for compatibility, without effect" },
  { name: "BARTENDER_DB_ECHO", fallback: "false", description: "read for compatibility, without effect" },
  {
    name: "FORWARDED_ALLOW_IPS",
    fallback: "127.0.0.1,::1",
    description: "proxies whose X-Forwarded-Proto is believed",
  },
] as const satisfies readonly Variable[];

export type VariableName = (typeof VARIABLES)[number]["name"];
