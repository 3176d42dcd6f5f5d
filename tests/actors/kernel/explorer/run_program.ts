import type { ActorRef } from "../../../../actors/kernel/actor.ts";
import { ActorSystem } from "../../../../actors/kernel/actor_system.ts";
import { ask } from "../../../../actors/kernel/ask.ts";
import {
  actor,
  type ChildSpec,
  type DynamicChildren,
  dynamicSupervisor,
  type SupervisorSpec,
  supervisor,
} from "../../../../actors/kernel/child_spec.ts";
import { KernelError } from "../../../../actors/kernel/errors.ts";
import { type Name, nameOf } from "../../../../actors/kernel/registry.ts";
import type { Logger } from "../../../../src/ports/logger.ts";
import { type ActorPlan, type Duration, type NodePlan, type Program, plansIn, type Step } from "./program.ts";
import { factoryOf, type Message, type Surroundings } from "./scripted_actor.ts";
import type { Entry, Seen, Trace } from "./trace.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** Longer than anything in a program takes: back-offs, deadlines, effects and timers one after the other. */
const CALM_MS = 5_000;

const silent: Logger = { isDebugging: () => false, debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** Runs a program to its end, then lets everything calm down, then stops the system. @returns what was seen. */
export async function runProgram(program: Program): Promise<Trace> {
  return await new World(program).run();
}

class World implements Surroundings {
  readonly #program: Program;
  readonly #trace: Entry[] = [];
  readonly #clock = new VirtualClock();
  readonly #kernelClock = this.#clock.view();
  readonly #ownClock = this.#clock.view();
  readonly #system: ActorSystem;
  readonly #names = new Set<string>();
  readonly #refs = new Map<string, ActorRef<Message>>();
  readonly #cells = new Map<ActorRef<Message>, number>();
  readonly #cellAt = new Map<string, number>();
  readonly #lives = new Map<number, number>();
  readonly #paths = new Map<string, string>();
  #messages = 0;
  #cellCount = 0;

  constructor(program: Program) {
    this.#program = program;
    this.#system = new ActorSystem({
      root: this.#specOf(program.root) as SupervisorSpec,
      clock: this.#kernelClock,
      logger: silent,
      onEvent: (event) => {
        const cell = this.#cellAt.get(event.path) ?? -1;
        if (event.type === "starting") this.#lives.set(cell, this.livesOf(cell) + 1);
        this.see({ type: "event", event, cell, life: this.livesOf(cell) });
      },
    });
    this.#notePaths(program.root, "");
    for (const plan of plansIn(program.root)) {
      const ref = plan.kind === "actor" ? this.#system.find(actorName(plan.id)) : undefined;
      if (ref !== undefined) this.#noteCell(plan.id, ref.path, ref);
    }
  }

  async run(): Promise<Trace> {
    let hasStartSettled = false;
    this.#system
      .start()
      .catch((error: unknown) => {
        if (!(error instanceof KernelError)) throw error;
      })
      .finally(() => {
        hasStartSettled = true;
      });
    this.#system.failed.then(() => this.see({ type: "system_failed" }));
    for (const step of this.#program.steps) await this.#take(step);
    await this.#pass(CALM_MS);
    this.see({ type: "calm", tree: this.#system.inspect(), names: this.#namesTaken() });
    this.#stop();
    await this.#pass(CALM_MS);
    const tree = this.#system.inspect();
    const kernelTimers = this.#kernelClock.pending;
    this.see({ type: "over", tree, names: this.#namesTaken(), kernelTimers, hasStartSettled });
    await this.#pass(CALM_MS);
    return this.#trace;
  }

  see(seen: Seen): void {
    this.#trace.push({ ...seen, atMs: this.#clock.nowMs });
  }

  pass(duration: Duration): Promise<void> | undefined {
    if (duration === null) return undefined;
    if (duration === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#ownClock.after(duration, resolve);
    });
  }

  newMessage(kind: string): string {
    return `${kind}${this.#messages++}`;
  }

  cellOf(ref: ActorRef<Message>): number {
    return this.#cells.get(ref) ?? -1;
  }

  livesOf(cell: number): number {
    return this.#lives.get(cell) ?? 0;
  }

  refOf(id: string): ActorRef<Message> | undefined {
    return this.#system.find(actorName(id)) ?? this.#refs.get(id);
  }

  send(ref: ActorRef<Message>, message: Message): void {
    this.see({
      type: "sent",
      cell: this.cellOf(ref),
      path: ref.path,
      message: message.type,
      result: ref.send(message),
    });
  }

  startChild(supervisorId: string, plan: ActorPlan): void {
    const children = this.#system.find(childrenName(supervisorId));
    const path = `${this.#paths.get(supervisorId)}/${plan.id}`;
    const before = this.#cellAt.get(path);
    const cell = this.#cellCount;
    // The kernel announces the start before it returns the ref, so the cell gets its number first.
    this.#cellAt.set(path, cell);
    const at = this.#trace.length;
    try {
      const ref = children?.startChild(this.#actorSpec(plan));
      if (ref === undefined) return;
      this.#noteCell(plan.id, path, ref);
      this.#trace.splice(at, 0, { type: "child_added", path, plan, atMs: this.#clock.nowMs });
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      if (before !== undefined) this.#cellAt.set(path, before);
    }
  }

  stopChild(supervisorId: string, id: string): void {
    const path = `${this.#paths.get(supervisorId)}/${id}`;
    const children = this.#system.find(childrenName(supervisorId));
    if (children === undefined) return;
    const call = this.newMessage("stopChild");
    this.see({ type: "child_dismissed", path, call });
    children.stopChild(id).then(() => this.see({ type: "child_gone", call }));
  }

  async #take(step: Step): Promise<void> {
    switch (step.do) {
      case "send": {
        const ref = this.refOf(step.target);
        for (let n = 0; ref !== undefined && n < step.times; n++) {
          this.send(ref, { type: this.newMessage("m"), command: step.command });
        }
        return;
      }
      case "ask":
        return this.#ask(step.target, step.ms, step.isAnswered);
      case "start_child":
        return this.startChild(step.supervisor, step.child);
      case "stop_child":
        return this.stopChild(step.supervisor, step.child);
      case "wait":
        return await this.#pass(step.ms);
      case "stop_system":
        return this.#stop();
    }
  }

  #ask(target: string, timeoutMs: number, isAnswered: boolean): void {
    const ref = this.refOf(target);
    if (ref === undefined) return;
    const message = this.newMessage("q");
    const lettersBefore = this.#system.deadLetters.count;
    let isSent = false;
    const question = (reply: (answer: string) => void): Message => {
      isSent = true;
      const command = { do: "nothing" } as const;
      return isAnswered ? { type: message, command, reply: () => reply("well") } : { type: message, command };
    };
    const answer = ask(ref, question, { clock: this.#ownClock, timeoutMs });
    this.see({ type: "asked", message, isAnswered, timeoutMs });
    if (isSent) {
      const isLetter = this.#system.deadLetters.count > lettersBefore;
      const isFull = this.#system.deadLetters.recent().at(-1)?.reason === "mailbox_full";
      const result = !isLetter ? "delivered" : isFull ? "full" : "dead";
      this.see({ type: "sent", cell: this.cellOf(ref), path: ref.path, message, result });
    }
    const settle = (outcome: string) => this.see({ type: "answered", message, outcome });
    answer.then(settle, (error: unknown) => settle(error instanceof KernelError ? error.code : String(error)));
  }

  #stop(): void {
    this.see({ type: "system_stop" });
    this.#system.stop();
  }

  async #pass(ms: number): Promise<void> {
    await this.#clock.advance(ms, () => this.see({ type: "quiet", tree: this.#system.inspect() }));
  }

  #noteCell(id: string, path: string, ref: ActorRef<Message>): void {
    const cell = this.#cellCount++;
    this.#refs.set(id, ref);
    this.#cells.set(ref, cell);
    this.#cellAt.set(path, cell);
  }

  #notePaths(plan: NodePlan, parent: string): void {
    const path = parent === "" ? plan.id : `${parent}/${plan.id}`;
    this.#paths.set(plan.id, path);
    if (plan.kind === "supervisor") for (const child of plan.children) this.#notePaths(child, path);
  }

  #namesTaken(): readonly string[] {
    return [...this.#names].filter((id) => this.#system.find(actorName(id)) !== undefined);
  }

  #specOf(plan: NodePlan): ChildSpec {
    switch (plan.kind) {
      case "actor":
        return this.#actorSpec(plan);
      case "supervisor":
        return supervisor({ ...plan, children: plan.children.map((child) => this.#specOf(child)) });
      case "dynamic_supervisor": {
        const { hook } = plan;
        const onExhausted = (id: string): void | Promise<void> => {
          this.see({ type: "hook_called", path: `${this.#paths.get(plan.id)}/${id}` });
          if (hook === "throws") throw new Error("planted in onExhausted");
          return hook === "hangs" ? new Promise(() => {}) : this.pass(hook);
        };
        return dynamicSupervisor({ ...plan, name: childrenName(plan.id), onExhausted });
      }
    }
  }

  #actorSpec(plan: ActorPlan) {
    const { id, restart, shutdownMs, mailboxSize } = plan;
    const name = actorName(id);
    this.#names.add(id);
    return actor<Message>({ id, name, restart, shutdownMs, mailboxSize, factory: factoryOf(plan, this) });
  }
}

function actorName(id: string): Name<ActorRef<Message>> {
  return nameOf(id);
}

function childrenName(id: string): Name<DynamicChildren> {
  return nameOf(id);
}
