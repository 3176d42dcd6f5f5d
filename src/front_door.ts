import { messageOf } from "./core/errors.ts";
import { answerOnStandby } from "./http/standby.ts";
import type { Logger } from "./ports/logger.ts";
import { type FetchHandler, type HttpServer, serveHttp } from "./runtime/serve.ts";

/** The address of the daemon, which may answer before the daemon works. */
export interface FrontDoor {
  /** Answers for a standby from now on, when the address is free: that of a daemon on the same machine is not. */
  standBy(): void;
  /** Hands requests to `handler` from now on. @throws when the address cannot be used; the message names it */
  open(handler: FetchHandler): HttpServer;
  /** For when the daemon could not start. Idempotent. */
  close(): Promise<void>;
}

/** @param port 0 takes a free one */
export function frontDoor(address: { readonly hostname: string; readonly port: number }, logger: Logger): FrontDoor {
  let answer: FetchHandler = answerOnStandby;
  let server: HttpServer | undefined;
  const listen = (): HttpServer => {
    server ??= serveHttp(address, (request, connection) => answer(request, connection));
    return server;
  };
  return {
    standBy() {
      try {
        const { hostname, port } = listen();
        logger.info("Telling at the address of the service that this is a standby", { hostname, port });
      } catch (error) {
        logger.info("Standing by without an address", { reason: messageOf(error) });
      }
    },
    open(handler) {
      answer = handler;
      return listen();
    },
    close: async () => server?.stop(0),
  };
}
