import { startDiracServer } from "../dirac_server.ts";

/** A server to try DIRAC's commands by hand: prints the environment for a shell, and ends with its standard input. */
if (import.meta.main) {
  const server = await startDiracServer();
  for (const [name, value] of Object.entries(server.environment)) console.log(`export ${name}='${value}'`);
  console.log(`# logs, proxies, pilots and files are in ${server.directory}; Ctrl-D ends the server`);
  for await (const _ of Bun.stdin.stream()) {
    // Only the end counts.
  }
  await server.close();
}
