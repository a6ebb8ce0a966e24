/**
 * What the witnesses look at: a hive's namespace whose `/queen/ctl` does spawn and kill, with workers that only have files.
 * Whoever attaches as `queen` is the Queen, and anybody else is refused.
 */
import { loadCtlSchemas } from "../../scripts/lib/schemas.ts";
import { SessionTree } from "../../services/ninedoor/attach.ts";
import { Namespace } from "../../services/ninedoor/namespace.ts";
import { View } from "../../services/ninedoor/view.ts";
import { QueenControl } from "../../services/queen/control.ts";
import { Account, DEFAULT_BUDGETS } from "../../services/roles/budget.ts";
import { Grant } from "../../services/roles/grant.ts";
import { BUSY, NOT_FOUND, PERMISSION, UNSUPPORTED } from "../../services/secure9p/refusal.ts";
import type { Tree } from "../../services/secure9p/tree.ts";
import { nodeBytes } from "../services/support/ports.ts";
import type { Hive } from "./hive.ts";

export async function standIn(): Promise<Hive> {
  const clock = { nowUs: () => Math.round(performance.now() * 1000) };
  const schemas = await loadCtlSchemas();
  const nobody = { take: () => undefined };
  let sessions = 0;
  const namespace: Namespace = new Namespace({
    bytes: nodeBytes,
    clock,
    queen: { take: (bytes, start, length, client) => control.take(bytes, start, length, client.session) },
  });
  const control = new QueenControl<number>({
    schemas,
    bytes: nodeBytes,
    log: namespace.queenLog,
    nameOf: (session) => `session ${session} (queen)`,
    actions: {
      spawn: () => {
        const worker = namespace.workers.add({ status: () => "state=running\n", control: nobody, yielded: nobody });
        return worker === undefined ? BUSY : { worker: worker.id, clamps: [] };
      },
      kill: ({ worker }) => (namespace.workers.remove(worker) ? undefined : NOT_FOUND),
      bind: () => UNSUPPORTED,
      mount: () => UNSUPPORTED,
      setBudget: () => UNSUPPORTED,
      setDefaultBudget: () => UNSUPPORTED,
    },
  });
  namespace.addProc("boot", () => "stand-in\n");
  const view = (): View =>
    new View({
      namespace,
      grant: new Grant("queen", "", new Account(DEFAULT_BUDGETS.queen, 0), [], undefined),
      session: ++sessions,
      leases: { isLessee: () => false },
      log: namespace.queenLog,
      clock,
    });
  return {
    queen: "queen",
    namespace,
    beats: false,
    tree: (): Tree => {
      const tree = new SessionTree(view(), namespace.counters);
      return {
        attach: (request, aname) => (aname === "queen" ? tree.attach(request) : request.refuse(PERMISSION)),
      };
    },
    end: () => undefined,
  };
}
