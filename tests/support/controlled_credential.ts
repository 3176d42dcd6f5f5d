import { BartenderError } from "../../src/core/errors.ts";
import type { Credential } from "../../src/ports/credential.ts";
import type { ManualClock } from "./manual_clock.ts";

/** A credential that ends, and can or cannot be made, as a test says: a real one lasts for hours. */
export interface ControlledCredential extends Credential {
  readonly calls: { check: number; make: number };
  /** Why it cannot be made; undefined: it can. */
  refusal: string | undefined;
  /** Lets it last for so long from now. */
  last(seconds: number): void;
  /** Holds calls of `make` back until the returned function is called. */
  hold(): () => void;
}

/** @param validS how long one lasts that is made */
export function controlledCredential(clock: ManualClock, validS: number, id = "grid"): ControlledCredential {
  let endsMs = 0;
  let gate: Promise<void> = Promise.resolve();
  const credential: ControlledCredential = {
    ...{ id, name: "test proxy", minLifeS: 1_800 },
    calls: { check: 0, make: 0 },
    refusal: undefined,
    last(seconds) {
      endsMs = clock.monotonicMs() + seconds * 1000;
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    async check() {
      credential.calls.check += 1;
      return { leftS: Math.max(0, endsMs - clock.monotonicMs()) / 1000, reason: "There is no proxy" };
    },
    async make() {
      credential.calls.make += 1;
      await gate;
      if (credential.refusal !== undefined) throw new BartenderError("refused", credential.refusal);
      credential.last(validS);
    },
  };
  return credential;
}
