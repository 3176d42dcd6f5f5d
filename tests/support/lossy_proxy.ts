import { createConnection, createServer, type Socket } from "node:net";

/** Stands between a client and a server on this machine, and takes the blame for what happens on the way. */
export interface LossyProxy extends AsyncDisposable {
  readonly port: number;
  /** How many answers were lost so far. */
  readonly lost: number;
  /** Breaks a connection when the server next answers, so that the client does not learn what became of its request. */
  loseNextAnswer(): void;
  /** The same, and then all connections break and nobody gets through. */
  loseNextAnswerAndLink(): void;
  /** Breaks all connections and refuses new ones, or takes them again. */
  setReachable(isReachable: boolean): void;
  /** New connections go to another server, as when a name leads elsewhere; those that are there stay. */
  leadTo(serverPort: number): void;
}

export async function lossyProxy(firstPort: number): Promise<LossyProxy> {
  let serverPort = firstPort;
  const pairs = new Set<readonly [Socket, Socket]>();
  let [isLosing, isLinkLost] = [false, false];
  let [isReachable, lost] = [true, 0];
  const cut = (pair: readonly [Socket, Socket]): void => {
    pairs.delete(pair);
    for (const socket of pair) socket.destroy();
  };
  const setReachable = (reachable: boolean): void => {
    isReachable = reachable;
    if (!reachable) for (const pair of [...pairs]) cut(pair);
  };
  const server = createServer((client) => {
    if (!isReachable) return void client.destroy();
    const upstream = createConnection(serverPort, "127.0.0.1");
    const pair = [client, upstream] as const;
    pairs.add(pair);
    client.on("data", (data) => upstream.write(data));
    upstream.on("data", (data) => {
      if (!isLosing) return void client.write(data);
      isLosing = false;
      lost++;
      if (isLinkLost) setReachable(false);
      isLinkLost = false;
      cut(pair);
    });
    for (const socket of pair) socket.on("error", () => cut(pair)).on("close", () => cut(pair));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    get lost() {
      return lost;
    },
    loseNextAnswer() {
      isLosing = true;
    },
    loseNextAnswerAndLink() {
      isLosing = true;
      isLinkLost = true;
    },
    setReachable,
    leadTo(port) {
      serverPort = port;
    },
    async [Symbol.asyncDispose]() {
      for (const pair of [...pairs]) cut(pair);
      await new Promise<void>((closed) => server.close(() => closed()));
    },
  };
}
