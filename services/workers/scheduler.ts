/**
 * Which worker runs: at most one at a time, those of the band `control` before those of `worker`, within a band in turn for
 * 10 ms each. What a worker ran is charged to it by the clock and not by how punctual timers are: every quantum in which it ran
 * counts once, and while the hive itself has the processor none goes by. One that runs 100 quanta without making a call (1,000
 * before its first) is stuck. Nothing here allocates once a task is there.
 */
import type { Clock, Components } from "../ports/index.ts";
import { HeldTimer } from "../pump/held-timer.ts";
import type { TimerPort } from "../pump/timers.ts";

/** Bands in the order in which they are served. The hive's own work, the band `system`, comes before them all. */
export const BANDS = ["control", "worker"] as const;
export type Band = (typeof BANDS)[number];

/** How many times as long as any other step the first one may take: a busy simulator needs a while to make an instance. */
const STARTING = 10;

/** Whose task it is. Neither may remove the task before it returns. */
export interface TaskOwner {
  /** It ran in that many quanta for which it was not charged yet. */
  ran(ticks: number): void;
  /** It ran {@link SchedulerOptions.stuckQuanta} without a call. It runs no more. */
  stuck(): void;
}

export interface SchedulerOptions {
  readonly components: Components;
  readonly clock: Clock;
  /** Counts the time in which components can run; timers go by {@link clock}. */
  readonly spare: Clock;
  readonly timers: TimerPort;
  readonly quantumUs: number;
  readonly stuckQuanta: number;
}

/**
 * - `ready` could run · `running` runs · `calling` waits for an answer · `stuck` ran too long · `gone` was removed.
 */
export type TaskState = "ready" | "running" | "calling" | "stuck" | "gone";

/** One component that is scheduled. */
export class Task {
  readonly component: number;
  readonly band: Band;
  readonly owner: TaskOwner;
  state: TaskState = "calling";
  /** Its owner does not want it to run. */
  held = false;
  /** Suspended by the scheduler; an answered call does not let it go on. */
  suspended = false;
  /** Of its turn, used up so far, in microseconds. */
  usedUs = 0;
  /** Quanta charged since its last call. */
  stepTicks = 0;
  /** Whether it has made a call; before its first one it loads its program. */
  started = false;
  /** The last quantum of the clock that it was charged for. */
  charged = -1;
  /** Its neighbours in the queue of its band. */
  previous: Task | undefined = undefined;
  next: Task | undefined = undefined;
  queued = false;

  constructor(component: number, band: Band, owner: TaskOwner) {
    this.component = component;
    this.band = band;
    this.owner = owner;
  }
}

/** Tasks that are ready, in the order of their turns. */
class Queue {
  first: Task | undefined = undefined;
  #last: Task | undefined = undefined;

  append(task: Task): void {
    task.queued = true;
    task.previous = this.#last;
    task.next = undefined;
    if (this.#last === undefined) this.first = task;
    else this.#last.next = task;
    this.#last = task;
  }

  prepend(task: Task): void {
    task.queued = true;
    task.previous = undefined;
    task.next = this.first;
    if (this.first === undefined) this.#last = task;
    else this.first.previous = task;
    this.first = task;
  }

  remove(task: Task): void {
    task.queued = false;
    if (task.previous === undefined) this.first = task.next;
    else task.previous.next = task.next;
    if (task.next === undefined) this.#last = task.previous;
    else task.next.previous = task.previous;
    task.previous = undefined;
    task.next = undefined;
  }
}

export class Scheduler {
  /** Turns given, turns that ended because another's came, those cut short by a higher band, and tasks that got stuck. */
  readonly counters = { turns: 0, expired: 0, preempted: 0, stuck: 0 };
  readonly #options: SchedulerOptions;
  readonly #timer: HeldTimer;
  readonly #queues: Readonly<Record<Band, Queue>> = { control: new Queue(), worker: new Queue() };
  #running: Task | undefined = undefined;
  /** Since when the one that runs has not been charged, in spare time. */
  #sinceUs = 0;

  /** @throws Error if all timers are in use. */
  constructor(options: SchedulerOptions) {
    const timer = HeldTimer.take(options.timers, () => this.#expired());
    if (timer === undefined) throw new Error("Scheduler: no timer is left");
    this.#options = options;
    this.#timer = timer;
  }

  /** The task that runs. */
  get running(): Task | undefined {
    return this.#running;
  }

  /** A component that has just been started: it could run. */
  add(component: number, band: Band, owner: TaskOwner): Task {
    const task = new Task(component, band, owner);
    task.suspended = !this.#mayRun(task);
    if (task.suspended) this.#options.components.suspend(component);
    this.#ready(task);
    return task;
  }

  /** Its call has come, so it is off the processor. */
  called(task: Task): void {
    if (task.state === "gone") return;
    // It may have called in the very moment in which it was to make room for another one.
    this.#takeOff(task, true);
    task.state = "calling";
    task.usedUs = 0;
    task.stepTicks = 0;
    task.started = true;
    this.#dispatch();
  }

  /** Answer its call; it runs on when its turn comes. */
  reply(task: Task, label: number, word: number): void {
    const { components } = this.#options;
    if (task.state !== "calling") throw new Error(`Scheduler: a task that is ${task.state} has no call to answer`);
    const { component } = task;
    if (!task.suspended && !this.#mayRun(task)) {
      components.suspend(component);
      task.suspended = true;
    }
    components.reply(component, label, word, 0, 0, 0);
    this.#ready(task);
  }

  /** Do not let it run until {@link release}. */
  hold(task: Task): void {
    if (task.held || task.state === "gone") return;
    task.held = true;
    if (this.#running === task) {
      this.#charge();
      this.#stop(task);
      this.#dispatch();
    } else if (task.queued) this.#queues[task.band].remove(task);
  }

  release(task: Task): void {
    if (!task.held || task.state === "gone") return;
    task.held = false;
    if (task.state === "ready") this.#ready(task);
  }

  /** Its component is about to end, or has ended. Its last quanta are charged. */
  remove(task: Task): void {
    if (task.state === "gone") return;
    this.#takeOff(task, false);
    task.state = "gone";
    this.#dispatch();
  }

  /** Charge what the running task has used up to now, so that its owner's figures are those of this moment. */
  settle(): void {
    if (this.#running !== undefined) this.#charge();
  }

  /** Whether it would run at once if it were ready. */
  #mayRun(task: Task): boolean {
    return !task.held && (this.#running === undefined || this.#before(task, this.#running));
  }

  #before(task: Task, other: Task): boolean {
    return BANDS.indexOf(task.band) < BANDS.indexOf(other.band);
  }

  /** It could run: let it, or let it wait for its turn. */
  #ready(task: Task): void {
    task.state = "ready";
    if (task.held) return;
    const running = this.#running;
    if (running !== undefined && this.#before(task, running)) {
      this.#charge();
      this.#stop(running);
      // What is left of its turn it has when the higher band is done, before those whose turn has not come.
      this.#queues[running.band].prepend(running);
      this.counters.preempted++;
    }
    this.#queues[task.band].append(task);
    this.#dispatch();
  }

  /** Give the processor to whose turn it is, if nobody has it. */
  #dispatch(): void {
    const { components, spare } = this.#options;
    if (this.#running !== undefined) return;
    const queue = this.#queues.control.first === undefined ? this.#queues.worker : this.#queues.control;
    const task = queue.first;
    if (task === undefined) return this.#timer.clear();
    queue.remove(task);
    task.state = "running";
    this.#running = task;
    this.#sinceUs = spare.nowUs();
    this.counters.turns++;
    if (task.suspended) {
      task.suspended = false;
      components.resume(task.component);
    }
    this.#watch(task);
  }

  /** Look again when what is left of its turn may be over; if the hive took of that time itself, then once more. */
  #watch(task: Task): void {
    const { clock, quantumUs } = this.#options;
    this.#timer.set(clock.nowUs() + quantumUs - task.usedUs);
  }

  /** The running task's turn is over. */
  #expired(): void {
    const task = this.#running;
    const { quantumUs, stuckQuanta } = this.#options;
    if (task === undefined) return;
    this.#charge();
    if (task.stepTicks >= (task.started ? stuckQuanta : STARTING * stuckQuanta)) {
      this.#stop(task);
      task.state = "stuck";
      this.counters.stuck++;
      task.owner.stuck();
      return this.#dispatch();
    }
    if (task.usedUs >= quantumUs) {
      task.usedUs = 0;
      if (this.#queues[task.band].first !== undefined) {
        this.counters.expired++;
        this.#stop(task);
        this.#queues[task.band].append(task);
        return this.#dispatch();
      }
    }
    this.#watch(task);
  }

  /** Charge the running task for the quanta since it was last charged. @param called it did something for sure */
  #charge(called = false): void {
    const task = this.#running!;
    const { spare, quantumUs } = this.#options;
    const nowUs = spare.nowUs();
    if (nowUs === this.#sinceUs && !called) return;
    const first = Math.floor(this.#sinceUs / quantumUs);
    // A quantum at whose very beginning it stopped is none in which it ran.
    const last = Math.max(first, Math.ceil(nowUs / quantumUs) - 1);
    const ticks = last - Math.max(first - 1, task.charged);
    task.usedUs += nowUs - this.#sinceUs;
    this.#sinceUs = nowUs;
    if (ticks <= 0) return;
    task.charged = last;
    task.stepTicks += ticks;
    task.owner.ran(ticks);
  }

  /** Take the processor from the running task, which could go on. */
  #stop(task: Task): void {
    this.#options.components.suspend(task.component);
    task.suspended = true;
    task.state = "ready";
    this.#running = undefined;
  }

  /** It runs no more, or waits for its turn no more. */
  #takeOff(task: Task, called: boolean): void {
    if (this.#running === task) {
      this.#charge(called);
      this.#running = undefined;
    } else if (task.queued) {
      this.#queues[task.band].remove(task);
    }
  }
}
