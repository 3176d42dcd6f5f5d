import type { Chaos } from "./chaos.ts";
import type { FaultName } from "./plan.ts";
import type { SimulatedTime } from "./simulated_time.ts";
import type { Tracer } from "./trace.ts";

/** What can become of a call besides its answer. */
export interface CallFaults {
  /** Nothing happens, and the caller is told so. */
  readonly away?: FaultName;
  /** It happens, but the caller is told that there is no answer. */
  readonly answerLost?: FaultName;
  /** The caller is told that there is no answer, and then it happens. */
  readonly late?: FaultName;
  readonly slow?: FaultName;
}

export interface Call<T> {
  /** For the trace. */
  readonly name: string;
  /** What happens in the outside world; a throw is the answer. */
  readonly act: () => T | Promise<T>;
  readonly faults: CallFaults;
  readonly makeFault: (message: string) => Error;
  /** True when nothing can be reached at all right now. */
  readonly isOut?: () => boolean;
  /**
   * Whether what is on its way at the death of the daemon may still happen after the next one has started; what dies
   * with the daemon's process, or holds a lock that the next one waits for, does not.
   */
  readonly survivesCut: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** How late a call can still take effect that was given up. */
const LATE_MS = [0, 1, 300, 3_000, 15_000] as const;

/**
 * What connects one daemon with the outside world: every call takes a while to get there and its answer to come back.
 * When the daemon dies, the line is cut: no answer arrives any more, but what is on its way may still happen.
 */
export class Line {
  readonly #time: SimulatedTime;
  readonly #chaos: Chaos;
  readonly #trace: Tracer;
  readonly #underWay = new Set<() => void>();
  #isCut = false;

  constructor(time: SimulatedTime, chaos: Chaos, trace: Tracer) {
    this.#time = time;
    this.#chaos = chaos;
    this.#trace = trace;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  cut(): void {
    this.#isCut = true;
    for (const onCut of [...this.#underWay]) onCut();
    this.#underWay.clear();
  }

  call<T>(call: Call<T>): Promise<T> {
    if (this.#isCut) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      const chaos = this.#chaos;
      const { faults, signal } = call;
      let isSettled = false;
      /** Brings the answer back; `settleIt` runs in the daemon, so never after its death. */
      const answer = (what: string, settleIt: () => void): void => {
        this.#underWay.delete(onCut);
        this.#time.after(chaos.delayMs(faults.slow), () => {
          if (this.#isCut || isSettled) return;
          isSettled = true;
          signal?.removeEventListener("abort", onAbort);
          this.#trace(() => `answer ${call.name}: ${what}`);
          settleIt();
        });
      };
      const refuse = (message: string): void => answer(message, () => reject(call.makeFault(message)));
      const land = async (isHeard: boolean): Promise<void> => {
        this.#trace(() => `effect ${call.name}${isHeard ? "" : " (nobody waits for it)"}`);
        try {
          const result = await call.act();
          if (!isHeard) return;
          if (this.#may(faults.answerLost)) refuse("the answer was lost");
          else answer("done", () => resolve(result));
        } catch (error) {
          if (isHeard) answer(String(error), () => reject(error));
        }
      };
      const landLater = (): void => {
        this.#time.after(chaos.random.pick(LATE_MS), () => void land(false));
      };
      const cancelLanding = this.#time.after(chaos.delayMs(faults.slow), () => {
        if (call.isOut?.() || this.#may(faults.away)) return refuse("it cannot be reached");
        if (this.#may(faults.late)) {
          landLater();
          return refuse("timed out");
        }
        this.#underWay.delete(onCut);
        void land(true);
      });
      const giveUp = (): void => {
        cancelLanding();
        if (!chaos.random.chance(0.5)) return;
        if (call.survivesCut) landLater();
        else void land(false);
      };
      const onCut = (): void => giveUp();
      const onAbort = (): void => {
        if (isSettled || this.#isCut) return;
        if (this.#underWay.delete(onCut)) giveUp();
        refuse("called off");
      };
      this.#underWay.add(onCut);
      signal?.addEventListener("abort", onAbort);
      if (signal?.aborted === true) onAbort();
    });
  }

  #may(fault: FaultName | undefined): boolean {
    return fault !== undefined && this.#chaos.hits(fault);
  }
}
