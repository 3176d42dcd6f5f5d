import { lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";

/**
 * Makes the path of a Unix socket free: removes the socket of a process that is gone.
 *
 * @throws when somebody answers there, or something else than a socket is there; the message names the path
 */
export async function freeSocket(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw new Error(`Cannot listen on the socket ${path}: there is something else than a socket`);
  if (await isAnswered(path)) {
    throw new Error(
      `Cannot listen on the socket ${path}: another process answers there. ` +
        "Stop it, or set BARTENDER_CONSOLE_SOCKET to another path",
    );
  }
  unlinkSync(path);
}

/** Only a refusal tells that nobody listens: a process that is merely busy, or somebody else's, keeps its socket. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"),
    );
  });
}
