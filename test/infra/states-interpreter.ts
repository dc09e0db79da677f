/** What a task does: resolves to its result, or throws a {@link StateError}. */
export type TaskHandler = (resource: string, parameters: Json, attempt: number) => Json;

/** An error by name, as states catch it. */
export class StateError extends Error {
  override readonly cause: string;

  constructor(name: string, cause: string) {
    super(`${name}: ${cause}`);
    this.name = name;
    this.cause = cause;
  }
}

export interface Walk {
  readonly status: 'SUCCEEDED' | 'FAILED';
  /** States in the order they were entered. */
  readonly states: readonly string[];
  readonly error: string | undefined;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Node = Readonly<Record<string, Json>>;

/**
 * Walks a state machine (Amazon States Language, JSONPath) as far as this project uses it: Task, Pass, Choice, Succeed
 * and Fail, Retry and Catch, ResultPath, Parameters with paths, States.Format and States.StringToJson. Throws for
 * everything else. Waiting takes no time. https://states-language.net/spec.html
 */
export function walk(definition: Node, input: Json, context: Json, task: TaskHandler): Walk {
  const states: string[] = [];
  let name = definition.StartAt as string;
  let data = input;
  for (;;) {
    if (states.push(name) > 100) throw new Error(`endless: ${states.slice(0, 10).join(' → ')}`);
    const state = (definition.States as Record<string, Node>)[name];
    if (state === undefined) throw new Error(`there is no state ${name}`);
    requireKnown(name, state);
    if (state.Type === 'Succeed') return { status: 'SUCCEEDED', states, error: undefined };
    if (state.Type === 'Fail') return { status: 'FAILED', states, error: state.Error as string };
    try {
      if (state.Type === 'Choice') {
        name = choose(state, data);
      } else {
        const parameters = fill(state.Parameters ?? data, data, context);
        const result = state.Type === 'Task' ? retrying(state, parameters, task) : parameters;
        data = place(data, result, state.ResultPath);
        name = state.Next as string;
      }
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      const catchers = (state.Catch ?? []) as Node[];
      const catcher = catchers.find((candidate) => matches(candidate, error));
      if (catcher === undefined) return { status: 'FAILED', states, error: error.name };
      data = place(data, { Error: error.name, Cause: error.cause }, catcher.ResultPath);
      name = catcher.Next as string;
    }
  }
}

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  Task: ['Type', 'Resource', 'Parameters', 'ResultPath', 'Retry', 'Catch', 'Next'],
  Pass: ['Type', 'Parameters', 'ResultPath', 'Next'],
  Choice: ['Type', 'Choices', 'Default'],
  Succeed: ['Type', 'Comment'],
  Fail: ['Type', 'Error', 'Cause'],
};

function requireKnown(name: string, state: Node): void {
  const unknown = Object.keys(state).find((key) => !KNOWN[state.Type as string]?.includes(key));
  if (unknown !== undefined) throw new Error(`${name}: ${state.Type} with ${unknown} is not interpreted`);
}

function retrying(state: Node, parameters: Json, task: TaskHandler): Json {
  const retriers = (state.Retry ?? []) as Node[];
  const used = retriers.map(() => 0);
  for (let attempt = 1; ; attempt++) {
    try {
      return task(state.Resource as string, parameters, attempt);
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      const index = retriers.findIndex((retrier) => matches(retrier, error));
      if (index === -1 || used[index]! >= ((retriers[index]!.MaxAttempts as number) ?? 3)) throw error;
      used[index]!++;
    }
  }
}

function matches({ ErrorEquals }: Node, { name }: StateError): boolean {
  return (ErrorEquals as string[]).some(
    (wanted) =>
      wanted === name ||
      (wanted === 'States.ALL' && name !== 'States.DataLimitExceeded') ||
      (wanted === 'States.TaskFailed' && name !== 'States.Timeout'),
  );
}

function choose(state: Node, data: Json): string {
  const chosen = (state.Choices as Node[]).find((choice) => holds(choice, data));
  const next = chosen?.Next ?? state.Default;
  if (next === undefined) throw new StateError('States.NoChoiceMatched', '');
  return next as string;
}

function holds({ Next: _, ...rule }: Node, data: Json): boolean {
  const { And, Variable, ...test } = rule;
  if (And !== undefined) return (And as Node[]).every((part) => holds(part, data));
  const value = read(data, Variable as string);
  const [[operator, operand] = ['', null]] = Object.entries(test);
  if (operator === 'IsPresent') return (value !== undefined) === operand;
  if (value === undefined) throw new StateError('States.Runtime', `${String(Variable)} is not there`);
  if (operator === 'NumericEquals') return value === operand;
  throw new Error(`choice by ${operator} is not interpreted`);
}

/** A payload template: keys that end in `.$` hold paths or intrinsic functions. */
function fill(template: Json, data: Json, context: Json): Json {
  if (Array.isArray(template)) return template.map((item) => fill(item, data, context));
  if (template === null || typeof template !== 'object') return template;
  return Object.fromEntries(
    Object.entries(template).map(([key, value]) =>
      key.endsWith('.$')
        ? [key.slice(0, -2), evaluate(value as string, data, context)]
        : [key, fill(value, data, context)],
    ),
  );
}

function evaluate(expression: string, data: Json, context: Json): Json {
  const [, name, inside] = /^States\.(\w+)\((.*)\)$/s.exec(expression) ?? [];
  if (name === undefined) {
    const isContext = expression.startsWith('$$');
    const value = read(isContext ? context : data, isContext ? expression.slice(1) : expression);
    if (value === undefined) throw new StateError('States.ParameterPathFailure', expression);
    return value;
  }
  if (name === 'StringToJson') {
    try {
      return JSON.parse(evaluate(inside!, data, context) as string);
    } catch {
      throw new StateError('States.IntrinsicFailure', `${inside} is not JSON`);
    }
  }
  const [, format, rest] = /^'([^']*)'((?:, [$.\w]+)*)$/s.exec(inside!) ?? [];
  if (name !== 'Format' || format === undefined) throw new Error(`${expression} is not interpreted`);
  const values = rest!.split(', ').slice(1);
  if (format.split('{}').length !== values.length + 1) {
    throw new StateError('States.IntrinsicFailure', expression);
  }
  return format.replaceAll('{}', () => String(evaluate(values.shift()!, data, context)));
}

function read(data: Json, path: string): Json | undefined {
  return path
    .split('.')
    .slice(1)
    .reduce<Json | undefined>((value, key) => (value as Node | undefined)?.[key], data);
}

function place(data: Json, result: Json, path: Json | undefined): Json {
  if (path === null) return data;
  if (path === undefined) return result;
  const [, key, deeper] = (path as string).split('.');
  if (deeper !== undefined) throw new Error(`${path as string} is not interpreted`);
  return { ...(data as Node), [key!]: result };
}
