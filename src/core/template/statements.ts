import { assertNever } from "../assert_never.ts";
import type { Body, Located, Statement, Target } from "./ast.ts";
import { Fault, type TemplatePosition, TemplateRenderError } from "./errors.ts";
import { evaluate } from "./expressions.ts";
import { Frame } from "./frame.ts";
import { LoopRounds } from "./loop.ts";
import { text } from "./methods.ts";
import { Symbols, trackBody, trackReads, trackTarget } from "./scope.ts";
import { textOf } from "./text.ts";
import { Callable, isTruthy, iterate, Namespace, Stream, Tuple, toList, type Value } from "./values.ts";

/** A statement or body that is ready to run. */
export type Step = (frame: Frame) => void;

/** Prepares a body for rendering; `symbols` are those of the scope that it is in. */
export function compile(body: Body, symbols: Symbols): Step {
  const steps = body.map((statement) => compileStatement(statement, symbols));
  return (frame) => {
    for (const step of steps) step(frame);
  };
}

function compileStatement(statement: Statement, symbols: Symbols): Step {
  switch (statement.type) {
    case "text":
      return (frame) => frame.rendering.write(statement.text);
    case "output": {
      const { value } = statement;
      return (frame) => guard(value, () => frame.rendering.write(textOf(evaluate(value.expression, frame))));
    }
    case "if":
      return compileIf(statement, symbols);
    case "for":
      return compileFor(statement, symbols);
    case "set":
      return (frame) =>
        guard(statement.value, () => assign(statement.target, evaluate(statement.value.expression, frame), frame));
    case "capture": {
      const inner = trackBody(new Symbols(symbols), statement.body);
      const body = compile(statement.body, inner);
      const place = { ...statement.place, source: "set" };
      return (frame) => {
        const text = frame.rendering.capture(() => body(new Frame(inner, frame.rendering, frame)));
        guard(place, () => assign(statement.target, text, frame));
      };
    }
    case "with":
      return compileWith(statement, symbols);
    case "filter":
      return compileFilter(statement, symbols);
    case "macro":
      return compileMacro(statement, symbols);
    default:
      return assertNever(statement);
  }
}

/** Runs what belongs to an expression, and says where it was when it fails. */
function guard<T>(place: TemplatePosition & { readonly source: string }, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new TemplateRenderError(
      `Expression "${place.source}" in line ${place.line}, column ${place.column}: ${error.message}`,
    );
  }
}

function evaluateAt(located: Located, frame: Frame): Value {
  return guard(located, () => evaluate(located.expression, frame));
}

function assign(target: Target, value: Value, frame: Frame): void {
  if (target.type === "name") {
    frame.assign(target.name, value);
  } else if (target.type === "member") {
    const namespace = frame.read(target.name);
    if (!(namespace instanceof Namespace)) throw new Fault("cannot assign attribute on non-namespace object");
    namespace.attributes.set(target.attribute, value);
  } else {
    const values = toList(value);
    if (values.length !== target.items.length) {
      throw new Fault(`expected ${target.items.length} values to unpack, got ${values.length}`);
    }
    for (const [index, item] of target.items.entries()) assign(item, values[index] ?? null, frame);
  }
}

/** The value that was assigned to a target: a tuple for several names, whatever it was taken from. */
function read(target: Target, frame: Frame): Value {
  if (target.type === "tuple") return new Tuple(target.items.map((item) => read(item, frame)));
  return frame.read(target.name) ?? null;
}

function compileIf(statement: Statement & { readonly type: "if" }, symbols: Symbols): Step {
  const branches = statement.branches.map(({ test, body }) => ({ test, run: compile(body, symbols) }));
  const otherwise = compile(statement.otherwise, symbols);
  return (frame) => {
    const taken = branches.find(({ test }) => isTruthy(evaluateAt(test, frame)));
    (taken?.run ?? otherwise)(frame);
  };
}

function compileFor(statement: Statement & { readonly type: "for" }, symbols: Symbols): Step {
  const { target, items, test } = statement;
  const inner = new Symbols(symbols);
  inner.parameter("loop");
  trackTarget(inner, target, true);
  const body = compile(statement.body, trackBody(inner, statement.body));
  const elseSymbols = trackBody(new Symbols(symbols), statement.otherwise);
  const otherwise = compile(statement.otherwise, elseSymbols);
  const testSymbols = new Symbols(symbols);
  trackTarget(testSymbols, target, true);
  if (test) trackReads(testSymbols, test.expression);

  function* chosen(all: Value, frame: Frame, condition: Located): Generator<Value> {
    const testFrame = new Frame(testSymbols, frame.rendering, frame);
    for (const item of iterate(all)) {
      assign(target, item, testFrame);
      if (isTruthy(evaluate(condition.expression, testFrame))) yield read(target, testFrame);
    }
  }

  return (frame) => {
    const all = evaluateAt(items, frame);
    const rounds = guard(items, () => new LoopRounds(test ? new Stream(chosen(all, frame, test)) : all));
    let isEmpty = true;
    for (;;) {
      const round = guard(test ?? items, () => rounds.next());
      if (round === undefined) break;
      isEmpty = false;
      const bodyFrame = new Frame(inner, frame.rendering, frame);
      guard(items, () => {
        frame.rendering.iterate();
        assign(target, round.item, bodyFrame);
      });
      bodyFrame.assign("loop", rounds.loop);
      body(bodyFrame);
    }
    if (isEmpty) otherwise(new Frame(elseSymbols, frame.rendering, frame));
  };
}

function compileWith(statement: Statement & { readonly type: "with" }, symbols: Symbols): Step {
  const inner = new Symbols(symbols);
  for (const [target] of statement.bindings) trackTarget(inner, target, true);
  const body = compile(statement.body, trackBody(inner, statement.body));
  return (frame) => {
    const bodyFrame = new Frame(inner, frame.rendering, frame);
    for (const [target, value] of statement.bindings) {
      guard(value, () => assign(target, evaluate(value.expression, frame), bodyFrame));
    }
    body(bodyFrame);
  };
}

function compileFilter(statement: Statement & { readonly type: "filter" }, symbols: Symbols): Step {
  const inner = trackBody(new Symbols(symbols), statement.body);
  trackReads(inner, statement.filter.expression);
  const body = compile(statement.body, inner);
  return (frame) => {
    const bodyFrame = new Frame(inner, frame.rendering, frame);
    let filtered = "";
    frame.rendering.capture(() => {
      body(bodyFrame);
      filtered = guard(statement.filter, () => text(evaluate(statement.filter.expression, bodyFrame)));
    });
    guard(statement.filter, () => frame.rendering.write(filtered));
  };
}

function compileMacro(statement: Statement & { readonly type: "macro" }, symbols: Symbols): Step {
  const { name, parameters } = statement;
  const inner = new Symbols(symbols);
  for (const parameter of parameters) inner.parameter(parameter.name);
  for (const { otherwise } of parameters) if (otherwise) trackReads(inner, otherwise.expression);
  const body = compile(statement.body, trackBody(inner, statement.body));
  return (frame) => {
    const macro = new Callable(name, (args, named) => {
      if (args.length > parameters.length)
        throw new Fault(`macro '${name}' takes not more than ${parameters.length} arguments`);
      const names = parameters.slice(args.length).map((parameter) => parameter.name);
      const unknown = [...named.keys()].find((key) => !names.includes(key));
      if (unknown !== undefined) throw new Fault(`macro '${name}' takes no keyword argument '${unknown}'`);
      const bodyFrame = new Frame(inner, frame.rendering, frame);
      return frame.rendering.call(() => {
        for (const [index, parameter] of parameters.entries()) {
          const given = index < args.length ? args[index] : named.get(parameter.name);
          if (given !== undefined) bodyFrame.assign(parameter.name, given);
        }
        for (const { name: missing, otherwise } of parameters) {
          if (otherwise && bodyFrame.read(missing) === undefined)
            bodyFrame.assign(missing, evaluateAt(otherwise, bodyFrame));
        }
        body(bodyFrame);
      });
    });
    frame.assign(name, macro);
  };
}
