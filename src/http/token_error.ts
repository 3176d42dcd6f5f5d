/** Why a token is not accepted; the message is shown to the client. */
export class TokenError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "TokenError";
  }
}
