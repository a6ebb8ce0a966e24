/**
 * What `/queen/ctl` can do, in the session that asks: binds and mounts are its own, everything else is the hive's.
 */
import type { View } from "../ninedoor/view.ts";
import type { Bind, Kill, Mount, SetBudget, SpawnGpu, SpawnHeartbeat } from "../queen/command.ts";
import type { Done, QueenActions, Spawned } from "../queen/control.ts";
import type { Later } from "../pump/later.ts";
import type { BudgetRequest } from "../roles/budget.ts";
import type { Refusal } from "../secure9p/refusal.ts";
import type { Workers } from "../workers/workers.ts";

export class Actions implements QueenActions<View> {
  readonly #workers: Workers;

  constructor(workers: Workers) {
    this.#workers = workers;
  }

  spawn(spawn: SpawnHeartbeat | SpawnGpu): Spawned | Refusal | Later<Spawned | Refusal> {
    return this.#workers.spawn(spawn);
  }

  kill(kill: Kill): Refusal | undefined {
    return this.#workers.kill(kill);
  }

  bind({ from, to }: Bind, by: View): Refusal | undefined {
    return by.bind(from, to);
  }

  mount({ service, at }: Mount, by: View): Refusal | undefined {
    return by.mount(service, at);
  }

  setBudget(request: SetBudget): Done | Refusal {
    return this.#workers.setBudget(request);
  }

  setDefaultBudget(budget: BudgetRequest): Done {
    return this.#workers.setDefaultBudget(budget);
  }
}
