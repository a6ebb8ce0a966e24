/**
 * Where sessions attach. On a session whose role is settled the tree is its view; elsewhere the ticket in `aname` decides,
 * and every attach with the same grant sees the same mounts. What `uname` says counts nowhere.
 */
import type { Grant } from "../roles/grant.ts";
import { PERMISSION, type Refusal } from "../secure9p/refusal.ts";
import type { Request, Tree } from "../secure9p/tree.ts";
import type { NineDoorCounters } from "./counters.ts";
import type { View } from "./view.ts";

/** The tree of a session that has its role. */
export class SessionTree implements Tree {
  readonly #view: View;
  readonly #counters: NineDoorCounters;

  constructor(view: View, counters: NineDoorCounters) {
    this.#view = view;
    this.#counters = counters;
  }

  attach(request: Request): void {
    attachTo(request, this.#view, this.#counters);
  }
}

/** What a ticket is good for. */
export interface Admitter {
  /** @returns its grant, or why it has none. It audits refusals itself, for it knows what was wrong. */
  admit(ticket: string): Grant | Refusal;
  /** What a grant sees. */
  view(grant: Grant): View;
}

/** The tree of a session where every attach brings a ticket. */
export class TicketTree implements Tree {
  readonly #admitter: Admitter;
  readonly #counters: NineDoorCounters;
  #view: View | undefined;

  constructor(admitter: Admitter, counters: NineDoorCounters) {
    this.#admitter = admitter;
    this.#counters = counters;
  }

  attach(request: Request, aname: string): void {
    const admitted = this.#admitter.admit(aname);
    if ("errno" in admitted) {
      this.#counters.attachesRefused++;
      return request.refuse(admitted);
    }
    if (this.#view?.grant !== admitted) this.#view = this.#admitter.view(admitted);
    attachTo(request, this.#view, this.#counters);
  }
}

/** A role that may see nothing at all, a service's, has nothing to attach to. */
function attachTo(request: Request, view: View, counters: NineDoorCounters): void {
  if (view.may("walk", []) === undefined) return request.found(view.root);
  counters.attachesRefused++;
  request.refuse(PERMISSION);
}
