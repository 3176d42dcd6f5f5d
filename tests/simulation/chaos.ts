import type { Random } from "../support/seeded_random.ts";
import type { FaultName, Plan } from "./plan.ts";

/** How long things take, most of them no time at all, so that they meet. */
const USUAL_MS = [0, 0, 0, 1, 1, 5, 20, 200] as const;
const SLOW_MS = [2_000, 8_000, 30_000] as const;

/** Chance within the bounds of a plan, until the trouble is over. */
export class Chaos {
  readonly random: Random;
  readonly plan: Plan;
  isCalm = false;
  /** What has happened at least once. */
  readonly met = new Set<string>();

  constructor(random: Random, plan: Plan) {
    this.random = random;
    this.plan = plan;
  }

  /** Whether a fault happens now. */
  hits(fault: FaultName): boolean {
    const rate = this.plan.rates[fault];
    const isHit = rate > 0 && !this.isCalm && this.random.chance(rate);
    if (isHit) this.met.add(fault);
    return isHit;
  }

  delayMs(slow?: FaultName): number {
    return slow !== undefined && this.hits(slow) ? this.random.pick(SLOW_MS) : this.random.pick(USUAL_MS);
  }
}
