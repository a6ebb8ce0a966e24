/**
 * What `/queen/ctl` can do, in the session that asks: binds and mounts are its own, everything else is the hive's.
 */
import type { View } from "../ninedoor/view.ts";
import type { Bind, Kill, Mount, SetBudget, SpawnGpu, SpawnHeartbeat } from "../queen/command.ts";
import type { Done, QueenActions, Spawned } from "../queen/control.ts";
import type { BudgetRequest } from "../roles/budget.ts";
import { BUSY, NOT_FOUND, type Refusal } from "../secure9p/refusal.ts";

export class Actions implements QueenActions<View> {
  spawn(_spawn: SpawnHeartbeat | SpawnGpu): Spawned | Refusal {
    return BUSY;
  }

  kill(_kill: Kill): Refusal | undefined {
    return NOT_FOUND;
  }

  bind({ from, to }: Bind, by: View): Refusal | undefined {
    return by.bind(from, to);
  }

  mount({ service, at }: Mount, by: View): Refusal | undefined {
    return by.mount(service, at);
  }

  setBudget(_request: SetBudget): Done | Refusal {
    return NOT_FOUND;
  }

  setDefaultBudget(_budget: BudgetRequest): Done | Refusal {
    return BUSY;
  }
}
