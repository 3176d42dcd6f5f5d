import { LifeChecker } from "./life_checker.ts";
import { MessageChecker } from "./message_checker.ts";
import { NoticeChecker } from "./notice_checker.ts";
import type { ActorPlan, NodePlan, Program } from "./program.ts";
import { SupervisionChecker } from "./supervision_checker.ts";
import type { Trace } from "./trace.ts";

/** Checks every guarantee of the kernel on one run. @throws {Violation} at the first one that is broken. */
export function checkTrace(program: Program, trace: Trace): void {
  const plans = new Map<string, ActorPlan>();
  notePlans(program.root, "", plans);
  const planAt = (path: string) => plans.get(path);
  const checkers = [
    new LifeChecker(planAt),
    new MessageChecker(planAt),
    new NoticeChecker(),
    new SupervisionChecker(program),
  ];
  for (const entry of trace) {
    if (entry.type === "child_added") plans.set(entry.path, entry.plan);
    for (const checker of checkers) checker.check(entry);
  }
}

function notePlans(plan: NodePlan, parent: string, plans: Map<string, ActorPlan>): void {
  const path = parent === "" ? plan.id : `${parent}/${plan.id}`;
  if (plan.kind === "actor") plans.set(path, plan);
  if (plan.kind === "supervisor") for (const child of plan.children) notePlans(child, path, plans);
}
