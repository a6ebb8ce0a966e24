/**
 * Everything that somebody may try at every path there is, and what the policy's table says becomes of it: the walk that a hive
 * in this process and one on seL4 are both put through.
 */
import { decide, type Leases, type Operation, type Principal } from "../../../services/roles/policy.ts";
import { isWorker } from "../../../services/roles/roles.ts";
import { O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, QTAPPEND, QTDIR } from "../../../services/secure9p/constants.ts";

export interface Attempt {
  readonly operation: Operation;
  /** Of a bind or mount, where it would be. */
  readonly path: string;
  /** Of an open. */
  readonly flags: number;
  /** `absent`: it is not there for who asks, whatever a row would grant. */
  readonly comes: "granted" | "denied" | "absent";
}

export function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

/** Paths with their qids' types, and with what only that worker sees. */
export function withSelf(paths: ReadonlyMap<string, number>, worker: string): ReadonlyMap<string, number> {
  const all = new Map(paths);
  for (const [path, type] of paths) {
    if (path === `/worker/${worker}` || path.startsWith(`/worker/${worker}/`)) {
      all.set(path.replace(worker, "self"), type);
    }
  }
  return all.set("/worker/self/yield", QTAPPEND);
}

/** @param paths from {@link withSelf} */
export function attemptsOf(who: Principal, paths: ReadonlyMap<string, number>, leases: Leases): Attempt[] {
  const attempts: Attempt[] = [];
  const may = (operation: Operation, path: string): boolean =>
    decide(who, operation, namesOf(path), leases) === "granted";
  const add = (operation: Operation, path: string, granted: boolean, flags = 0): void =>
    void attempts.push({ operation, path, flags, comes: granted ? "granted" : "denied" });
  for (const [path, type] of paths) {
    if (path.startsWith("/worker/self") && !isWorker(who.role)) {
      attempts.push({ operation: "walk", path, flags: 0, comes: "absent" });
      continue;
    }
    const writing = (type & QTAPPEND) === 0 ? "write" : "append";
    const [reads, writes] = [may("read", path), may(writing, path)];
    add("walk", path, may("walk", path));
    add("read", path, reads, O_RDONLY);
    if ((type & QTDIR) === 0) {
      add(writing, path, writes, O_WRONLY);
      add(writing, path, reads && writes, O_RDWR);
      add(writing, path, reads && writes, O_RDONLY | O_TRUNC);
      add(writing, path, writes, O_WRONLY | O_TRUNC);
    }
    const below = `${path === "/" ? "" : path}/x`;
    add("bind", below, may("bind", below));
    add("mount", below, may("mount", below));
  }
  return attempts;
}

/** What is wrong with how an attempt went; `undefined` if nothing is. @param result a fid, "" or what it was refused with */
export function wrongWith({ operation, path, comes }: Attempt, result: number | string): string | undefined {
  const denied = result === "!EPERM";
  const right = comes === "absent" ? typeof result === "string" && result !== "" : denied === (comes === "denied");
  return right ? undefined : `${operation} ${path} is ${comes} by the table: ${result}`;
}
