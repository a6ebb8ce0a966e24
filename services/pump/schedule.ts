/**
 * The order in which a turn serves its sources, and how much each may do in it.
 *
 * **Wake ordering.** A turn begins when an interrupt, a component's message or the deadline that the last
 * turn returned wakes the engine. It always visits every stage, top to bottom, whatever woke it: timers first,
 * so that nothing below can make them later than one turn; then inputs, then the work they caused, then outputs,
 * so that an answer leaves in the turn in which its question arrived. After the last stage every source is looked
 * at once more: if one can still go on (its own budget ended, or a stage below made room for it), the turn returns
 * "now" and the next turn comes at once. No wake-up is lost that way, and without work no turn comes at all.
 *
 * **Budgets.** Each stage does at most `budget` units a turn. What is left is counted as deferred and keeps its place.
 * A source whose consumer is full does less than its budget, counts it as refused, and leaves the rest with its
 * producer: nothing is dropped between two stages. As every stage is visited in every turn and each is bounded,
 * no source starves, however much the others have to do.
 *
 * **Preemption.** There is none inside a turn: a unit runs to its end. Units are small, so a turn with every budget
 * used up stays under one pump tick (10 ms by default); a timer or tick is late by at most one turn. Some units are not
 * small whatever their budget says, a spawn first of all: who serves clients looks at the clock between two units and
 * leaves the rest to the next turn after {@link SLICE_US}. Components run below the root and are preempted by the kernel,
 * so they can delay nothing here.
 *
 * **Components' share.** They run when no turn does, so clients who ask without a pause would leave them nothing. While one of them
 * wants the processor, the pump owes it a fifth of what its turns take, and where that is not had between turns anyway it rests for
 * 1 to 2 ms, or until the component calls. What was raised meanwhile is served in the next turn.
 */

/** What a source may take of a turn in microseconds, by which it goes over with at most one unit. */
export const SLICE_US = 3000;

/** One stage of a turn. */
export interface Stage {
  readonly name: StageName;
  /** What its budget counts. */
  readonly unit: string;
  readonly budget: number;
  /** Whether it takes in new work; an orderly shutdown closes these first. */
  readonly intake: boolean;
}

export type StageName = "timer" | "ipc" | "serial-rx" | "net-rx" | "dispatch" | "jobs" | "net-tx" | "serial-tx";

/** Stages in the order in which a turn serves them. */
export const SCHEDULE: readonly Stage[] = [
  { name: "timer", unit: "callbacks", budget: 16, intake: false },
  { name: "ipc", unit: "events", budget: 16, intake: true },
  { name: "serial-rx", unit: "bytes", budget: 256, intake: true },
  { name: "net-rx", unit: "frames", budget: 16, intake: true },
  // A byte of input costs 1, a line that is executed or shown 64 more, and four bytes of output 1.
  { name: "dispatch", unit: "bytes", budget: 320, intake: false },
  { name: "jobs", unit: "steps", budget: 8, intake: false },
  { name: "net-tx", unit: "frames", budget: 32, intake: false },
  { name: "serial-tx", unit: "bytes", budget: 512, intake: false },
];

/** A turn's place of `name` in {@link SCHEDULE}. */
export function stageIndex(name: StageName): number {
  return SCHEDULE.findIndex((stage) => stage.name === name);
}
