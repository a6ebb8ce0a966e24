/**
 * What one session sees: the namespace through its mounts, and of that what its role and its ticket's scopes grant, asked
 * again at every walk, open, read and write. What is not granted is refused, counted and audited; however fast a client
 * asks for what it may not, it cannot flush the audit log, for lines beyond a rate are summed up in the next one.
 */
import type { AuditLog } from "../log/audit-log.ts";
import type { Clock, Pool } from "../ports/index.ts";
import type { Grant } from "../roles/grant.ts";
import { describeDenial, describeWrite, homeOf, type Leases, mayExport, type Operation } from "../roles/policy.ts";
import { namesOf } from "../roles/scope.ts";
import { COMPONENT_BYTES, QTDIR } from "../secure9p/constants.ts";
import { BUSY, INVALID, NOT_FOUND, PERMISSION, RATE_LIMITED, type Refusal } from "../secure9p/refusal.ts";
import type { Node, Request } from "../secure9p/tree.ts";
import { utf8Length } from "../secure9p/wire.ts";
import { areSame, MountTable, type Names, type Target } from "./mounts.ts";
import type { Namespace } from "./namespace.ts";
import type { Client, HeldTexts, Place, WalkRequest } from "./place.ts";
import { Probe, Relay } from "./relay.ts";
import { Spot, Spots } from "./spot.ts";
import { ViewNode } from "./view-node.ts";

const MOUNTS = 8;
/** Of a line in the log; some characters of it are shown as several. */
const EXCERPT_BYTES = 200;

export interface ViewOptions {
  readonly namespace: Namespace;
  readonly grant: Grant;
  /** Number of the session, for the log. */
  readonly session: number;
  readonly leases: Leases;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly mounts?: number;
}

/** Memory of a mount with the longest paths. */
const MOUNT_BYTES = 2048;

/** What a login's view may hold, and does. No mount is ever taken away. */
export function viewPools(mounts: number, texts: number, view?: View): Pool[] {
  const mounted = view?.mounts.size ?? 0;
  const held = view?.texts;
  return [
    ["login.mounts", mounts * MOUNT_BYTES, mounted, mounts, mounted, "refused", view?.mounts.full ?? 0],
    ["login.texts", texts, held?.used ?? 0, texts, held?.peak ?? 0, "refused", held?.full ?? 0],
  ];
}

export class View implements Client {
  readonly grant: Grant;
  readonly session: number;
  /** Whether the grant pays for what it reads. */
  readonly metered: boolean;
  readonly mounts: MountTable;
  readonly texts: HeldTexts = { used: 0, peak: 0, full: 0 };
  readonly #options: ViewOptions;
  readonly #spots = new Spots();
  readonly #always: (operation: Operation, names: Names) => boolean;
  /** Where a walk was denied last without its client being told why. */
  #untold: Names | undefined;

  constructor(options: ViewOptions) {
    this.#options = options;
    this.grant = options.grant;
    this.session = options.session;
    const { grant } = options;
    this.#always = (operation, names) => grant.always(operation, names);
    const { bandwidthBytes, cursorResumes, cursorAdvances } = options.grant.quotas;
    this.metered = bandwidthBytes + cursorResumes + cursorAdvances > 0;
    this.mounts = new MountTable(options.mounts ?? MOUNTS);
  }

  /** Where attaches stand. Made for each, for it holds the view: with the last fid of a session all of it shall go at once. */
  get root(): Node {
    return new ViewNode(this, this.#spots.root, this.#options.namespace.root);
  }

  get who(): Grant {
    return this.grant;
  }

  pools(): Pool[] {
    return viewPools(this.mounts.capacity, this.#options.namespace.limits.openTextBytes, this);
  }

  /**
   * Why the session may not do that, after saying so to the log.
   * @param names of the path that the policy knows
   * @param untold whether the client is not told why: it asks again, and that is not another denial
   */
  may(operation: Operation, names: Names, untold = false): Refusal | undefined {
    const decision = this.grant.decide(operation, names, this.#options.leases);
    if (decision === "granted") return this.#takeRate(operation, names);
    const before = this.#untold;
    this.#untold = untold ? names : undefined;
    const asked = operation === "walk" && !untold && before !== undefined && areSame(before, names);
    if (!asked) this.#deny(describeDenial(this.grant, operation, names, decision));
    return PERMISSION;
  }

  /** The same where a fid stands or wants to go, without asking the policy again for what is granted for good. */
  mayAt(operation: Operation, spot: Spot, untold = false): Refusal | undefined {
    if (spot.grants(operation)) return this.grant.narrowed ? this.#takeRate(operation, spot.names) : undefined;
    const why = this.may(operation, spot.names, untold);
    if (why === undefined) spot.learn(operation, this.#always);
    return why;
  }

  /** Why the session may not export that service, after saying so to the log. */
  mayExport(service: string): Refusal | undefined {
    if (mayExport(this.grant, service)) return undefined;
    this.#deny(describeDenial(this.grant, "export", homeOf(service), "not-granted"));
    return PERMISSION;
  }

  /** What the log shows of a line that is written. */
  excerpt(bytes: Uint8Array, start: number, length: number): string {
    const shown = Math.min(length, EXCERPT_BYTES);
    const port = this.#options.namespace.files.bytes;
    return port.validate(bytes, start, shown) ? port.decode(bytes, start, shown).trimEnd() : "";
  }

  /** A write of which the log tells, and why it is refused. What a Queen does has a line whatever others do. */
  noteWrite(names: Names, text: string, why: Refusal | undefined): void {
    const { audit, namespace } = this.#options;
    // Its own words come last, so that they are taken for nothing else.
    const line = `${describeWrite(this.grant, names, why?.name)} session=${this.session}${text === "" ? "" : `: ${text}`}`;
    if (this.grant.role === "queen") namespace.queenLog.line("audit", line);
    else audit.line("audit", line);
  }

  /** Walk from a directory to a name in it. */
  walk(request: Request, from: ViewNode, name: string): void {
    const { place } = from;
    const spot = this.#spots.below(from.spot, name);
    if (this.mounts.size > 0) {
      const mount = this.mounts.find(spot.visible);
      if (mount !== undefined) return this.#enter(request, spot.visible, mount.target);
    }
    const why = this.mayAt("walk", spot, request.partway);
    if (why !== undefined) return request.refuse(why);
    if (place.find === undefined) return place.walk(new Step(request, this, spot, []), name, this);
    const found = place.find(name, this);
    if (found === undefined) request.refuse(NOT_FOUND);
    else request.found(new ViewNode(this, spot, found));
  }

  bind(from: string, to: string): Refusal | undefined {
    const source = pathOf(from);
    const at = pathOf(to);
    if (source === undefined || at === undefined) return this.#refuseMount(INVALID);
    if (areSame(source, at)) return this.#refuseMount(INVALID);
    const why = this.may("bind", this.mounts.resolve(at).names) ?? this.mounts.check(at, source);
    if (why !== undefined) return this.#refuseMount(why);
    const found = this.#look(source);
    const absent = found.refusal ?? this.#checkPoint(at);
    if (absent !== undefined) return this.#refuseMount(absent);
    const target = this.mounts.resolve(source);
    this.mounts.set({ at, from: source, target, qid: this.#pointQid(found.place) });
    return undefined;
  }

  mount(service: string, at: string): Refusal | undefined {
    const path = pathOf(at);
    if (path === undefined) return this.#refuseMount(INVALID);
    const denied = this.may("mount", this.mounts.resolve(path).names);
    return denied === undefined ? this.#mount(service, path) : this.#refuseMount(denied);
  }

  /**
   * Mount what the grant's ticket says. Whoever signed it may, whatever its role; what is seen there is decided as ever. A service that
   * is not there is mounted all the same: it is `Busy` until it is.
   */
  mountOfTicket(): Refusal | undefined {
    const { mount } = this.grant;
    if (mount === undefined) return undefined;
    const path = pathOf(mount.at);
    return path === undefined ? this.#refuseMount(INVALID) : this.#mount(mount.service, path, homeOf(mount.service));
  }

  /** @param away by which path the policy knows the service if it is not there; without it that is refused */
  #mount(service: string, path: Names, away?: Names): Refusal | undefined {
    const { services } = this.#options.namespace;
    const known = services.find(service);
    const home = known?.home ?? away;
    if (home === undefined) return this.#refuseMount(services.away.has(service) ? BUSY : NOT_FOUND);
    const why = this.mounts.check(path, home) ?? this.#checkPoint(path);
    if (why !== undefined) return this.#refuseMount(why);
    const target: Target = { service, rest: [], names: home };
    this.mounts.set({ at: path, from: home, target, qid: this.#pointQid(known?.root) });
    return undefined;
  }

  #enter(request: Request, visible: Names, target: Target): void {
    const { namespace } = this.#options;
    const why = this.may("walk", target.names, request.partway);
    if (why !== undefined) return request.refuse(why);
    const root = target.service === undefined ? namespace.root : namespace.services.find(target.service)?.root;
    if (root === undefined) request.refuse(BUSY);
    else new Step(request, this, new Spot(visible, target.names), target.rest).found(root);
  }

  /** What the session sees at a path. Neither is known of what is behind a provider that does not say at once. */
  #look(path: Names): { readonly place: Place | undefined; readonly refusal: Refusal | undefined } {
    let node: Place = this.root;
    for (const name of path) {
      if ((node.qid.type & QTDIR) === 0) return { place: undefined, refusal: NOT_FOUND };
      const probe: Probe = new Probe();
      node.walk(probe, name, this);
      if (probe.place === undefined) return { place: undefined, refusal: probe.refusal };
      node = probe.place;
    }
    return { place: node, refusal: undefined };
  }

  /** A mount point need not be there, but the directory that it is in must. */
  #checkPoint(at: Names): Refusal | undefined {
    const { place, refusal } = this.#look(at.slice(0, -1));
    if (place !== undefined && (place.qid.type & QTDIR) === 0) return NOT_FOUND;
    return refusal;
  }

  #pointQid(place: Place | undefined): Place["qid"] {
    return place === undefined ? this.#options.namespace.files.qids.next(QTDIR) : { ...place.qid };
  }

  #refuseMount(why: Refusal): Refusal {
    this.#options.namespace.counters.mountsRefused++;
    return why;
  }

  #takeRate(operation: Operation, names: Names): Refusal | undefined {
    if (operation === "walk" || !this.grant.narrowed) return undefined;
    return this.grant.takeRate(operation, names, this.#options.clock.nowUs()) ? undefined : RATE_LIMITED;
  }

  #deny(text: string): void {
    const { audit, namespace } = this.#options;
    namespace.counters.denied++;
    if (!audit.line("audit", `${text} session=${this.session}`)) namespace.counters.deniedUnlogged++;
  }
}

/** A walk on its way to a place, by the names that are left; then that place as the session sees it. */
class Step extends Relay implements WalkRequest {
  readonly #view: View;
  readonly #spot: Spot;
  readonly #rest: Names;
  #at = 0;

  constructor(inner: Request, view: View, spot: Spot, rest: Names) {
    super(inner);
    this.#view = view;
    this.#spot = spot;
    this.#rest = rest;
  }

  override found(place: Place): void {
    if (this.#at === this.#rest.length) {
      this.inner.found(new ViewNode(this.#view, this.#spot, place));
    } else if ((place.qid.type & QTDIR) === 0) {
      this.inner.refuse(NOT_FOUND);
    } else {
      place.walk(this, this.#rest[this.#at++]!, this.#view);
    }
  }
}

function pathOf(path: string): readonly string[] | undefined {
  const names = namesOf(path);
  return names?.every((name) => utf8Length(name, COMPONENT_BYTES) <= COMPONENT_BYTES) === true ? names : undefined;
}
