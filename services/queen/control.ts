/**
 * Does what a line of `/queen/ctl` says: each line has exactly one outcome, its effect is there before the outcome is, and a
 * refused line has none. Every outcome is an audit line and is counted. Who may write to `/queen/ctl` at all is the policy's to say.
 */
import type { Bytes, Log } from "../ports/index.ts";
import { Later } from "../pump/later.ts";
import { BUDGET_FIELDS, type BudgetRequest, type Resolved } from "../roles/budget.ts";
import { INVALID, Refusal } from "../secure9p/refusal.ts";
import {
  type Bind,
  type Command,
  type Kill,
  type Mistake,
  type Mount,
  readCommand,
  type SetBudget,
  type SpawnGpu,
  type SpawnHeartbeat,
} from "./command.ts";
import type { CtlSchemas } from "./schemas.ts";

/** A number that was beyond the manifest's maximum, by its name in the JSON, and what holds instead. */
export interface Clamp {
  readonly field: string;
  readonly to: number;
}

/** What was done differently from what was asked. */
export interface Done {
  readonly clamps: readonly Clamp[];
}

export interface Spawned extends Done {
  readonly worker: string;
}

/**
 * The hive's side of the commands. An action that returns a {@link Refusal} has changed nothing; one that returns anything else is
 * done, or tells later which of the two it is. `by` is who asks: a bind and a mount are made in that session and no other.
 */
export interface QueenActions<By> {
  spawn(spawn: SpawnHeartbeat | SpawnGpu, by: By): Spawned | Refusal | Later<Spawned | Refusal>;
  kill(kill: Kill, by: By): Refusal | undefined;
  bind(bind: Bind, by: By): Refusal | undefined;
  mount(mount: Mount, by: By): Refusal | undefined;
  setBudget(request: SetBudget, by: By): Done | Refusal;
  setDefaultBudget(budget: BudgetRequest, by: By): Done | Refusal;
}

export type Outcome =
  | { readonly done: true; readonly command: Command; readonly detail: string }
  | {
      readonly done: false;
      /** `undefined` if the line is no command. */
      readonly command: Command | undefined;
      readonly refusal: Refusal;
      readonly pointer: string;
      readonly sentence: string;
    };

/** Lines = done + refused + malformed. */
export interface ControlCounters {
  readonly lines: number;
  readonly done: number;
  /** Commands that could not be done. */
  readonly refused: number;
  /** Lines that are no command. */
  readonly malformed: number;
  /** Numbers cut down to a maximum. */
  readonly clamped: number;
}

/** What {@link Done} says of a resolved budget. */
export function clampsOf({ budget, clamped }: Resolved): Clamp[] {
  const clamps: Clamp[] = [];
  for (const name of ["ttlS", "ops", "ticks"] as const) {
    const field = BUDGET_FIELDS[name];
    if (clamped.includes(field)) clamps.push({ field, to: budget[name] });
  }
  return clamps;
}

export interface ControlOptions<By> {
  readonly actions: QueenActions<By>;
  readonly schemas: CtlSchemas;
  readonly bytes: Bytes;
  readonly log: Log;
  /** Who asks, as the audit log calls them, e.g. `session 3 (queen)`. */
  readonly nameOf: (by: By) => string;
}

export class QueenControl<By> {
  readonly #actions: QueenActions<By>;
  readonly #schemas: CtlSchemas;
  readonly #bytes: Bytes;
  readonly #log: Log;
  readonly #nameOf: (by: By) => string;
  readonly #counters = { lines: 0, done: 0, refused: 0, malformed: 0, clamped: 0 };

  constructor(options: ControlOptions<By>) {
    this.#actions = options.actions;
    this.#schemas = options.schemas;
    this.#bytes = options.bytes;
    this.#log = options.log;
    this.#nameOf = options.nameOf;
  }

  get counters(): ControlCounters {
    return this.#counters;
  }

  /** One line's bytes without newline, as a file hands them over. @returns why nothing was done. */
  take(bytes: Uint8Array, start: number, length: number, by: By): Refusal | undefined | Later<Refusal | undefined> {
    const outcome = this.#bytes.validate(bytes, start, length)
      ? this.line(this.#bytes.decode(bytes, start, length), by)
      : this.#malformed({ refusal: INVALID, pointer: "", sentence: "The line is not UTF-8." }, by);
    return outcome instanceof Later ? outcome.map(refusalIn) : refusalIn(outcome);
  }

  /**
   * @param text one line without its newline
   * @param verb the only one that is taken, e.g. of the console's `SPAWN`
   */
  line(text: string, by: By, verb?: Command["verb"]): Outcome | Later<Outcome> {
    const reading = readCommand(text, this.#schemas);
    if (!("command" in reading)) return this.#malformed(reading, by);
    if (verb === undefined || reading.command.verb === verb) return this.execute(reading.command, by);
    return this.#malformed({ refusal: INVALID, pointer: "", sentence: `The command is no ${verb}.` }, by);
  }

  /** The same for a command that came another way, e.g. the console's `KILL`. */
  execute(command: Command, by: By): Outcome | Later<Outcome> {
    const result = this.#act(command, by);
    return result instanceof Later
      ? result.map((effect) => this.#conclude(command, effect, by))
      : this.#conclude(command, result, by);
  }

  #conclude(command: Command, result: Effect | Refusal, by: By): Outcome {
    this.#counters.lines++;
    const what = summary(command);
    if (result instanceof Refusal) {
      this.#counters.refused++;
      this.#log.line("queen", `${this.#nameOf(by)}: ${what} refused, ${result.name}`);
      return { done: false, command, refusal: result, pointer: "", sentence: `${what} is refused: ${result.name}.` };
    }
    const { subject, clamps } = result;
    this.#counters.done++;
    this.#counters.clamped += clamps.length;
    const cut = clamps.length === 0 ? "" : `clamped=${clamps.map(({ field, to }) => `${field}:${to}`).join(",")}`;
    const told = command.verb === "spawn" ? [what, subject, cut] : [what, cut];
    this.#log.line("queen", `${this.#nameOf(by)}: ${words(told)}`);
    return { done: true, command, detail: words([subject, cut]) };
  }

  #malformed({ refusal, pointer, sentence }: Mistake, by: By): Outcome {
    this.#counters.lines++;
    this.#counters.malformed++;
    this.#log.line("queen", `${this.#nameOf(by)}: refused, ${refusal.name}: ${sentence}`);
    return { done: false, command: undefined, refusal, pointer, sentence };
  }

  #act(command: Command, by: By): Effect | Refusal | Later<Effect | Refusal> {
    switch (command.verb) {
      case "spawn": {
        const spawned = this.#actions.spawn(command, by);
        return spawned instanceof Later ? spawned.map(effectOf) : effectOf(spawned);
      }
      case "kill":
        return this.#actions.kill(command, by) ?? effect(`id=${command.worker}`);
      case "bind":
        return this.#actions.bind(command, by) ?? effect(`from=${command.from} to=${command.to}`);
      case "mount":
        return this.#actions.mount(command, by) ?? effect(`service=${command.service} at=${command.at}`);
      case "set_budget": {
        const done = this.#actions.setBudget(command, by);
        return done instanceof Refusal ? done : { subject: `id=${command.worker}`, clamps: done.clamps };
      }
      case "budget": {
        const done = this.#actions.setDefaultBudget(command.budget, by);
        return done instanceof Refusal ? done : { subject: "", clamps: done.clamps };
      }
    }
  }
}

interface Effect {
  readonly subject: string;
  readonly clamps: readonly Clamp[];
}

function effectOf(spawned: Spawned | Refusal): Effect | Refusal {
  return spawned instanceof Refusal ? spawned : { subject: `id=${spawned.worker}`, clamps: spawned.clamps };
}

function refusalIn(outcome: Outcome): Refusal | undefined {
  return outcome.done ? undefined : outcome.refusal;
}

function effect(subject: string): Effect {
  return { subject, clamps: [] };
}

function words(parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(" ");
}

/** A command as the audit log has it. */
function summary(command: Command): string {
  switch (command.verb) {
    case "spawn":
      return command.kind === "gpu" ? `spawn gpu gpu_id=${command.lease.gpuId}` : "spawn heartbeat";
    case "kill":
      return `kill id=${command.worker}`;
    case "bind":
      return `bind from=${command.from} to=${command.to}`;
    case "mount":
      return `mount service=${command.service} at=${command.at}`;
    case "set_budget":
      return `set_budget id=${command.worker}${budgetText(command.budget)}`;
    case "budget":
      return `budget${budgetText(command.budget)}`;
  }
}

function budgetText(budget: BudgetRequest): string {
  let text = "";
  for (const name of ["ttlS", "ops", "ticks"] as const) {
    const value = budget[name];
    if (value !== undefined) text += ` ${BUDGET_FIELDS[name]}=${value}`;
  }
  return text;
}
