/**
 * Who may do what: one table, and everything that it does not grant is denied. A decision allocates nothing, so it can be
 * taken on every request; it is taken on the resolved path, so no bind or mount changes what a role may do.
 */
import { hasInvisible } from "./invisible.ts";
import { ROLES, type Role } from "./roles.ts";

/**
 * One row a path, one column a role. A path is granted what all rows that match it grant together.
 *
 * - `r` read a file or list a directory · `a` append · `w` write at an offset · `b` bind there · `m` mount there ·
 *   `-` nothing. Walking to a path, and its attributes, come with any grant on it or below it.
 * - `*` is any one name; `<self>` is `self` or the name of the session's own worker; `<lease>` is a GPU that the
 *   session's worker holds a lease of; a last `**` is the path before it and everything below.
 *
 * A service has no paths at all: see {@link mayExport}.
 */
export const TABLE = `
path                            queen  worker-heartbeat  worker-gpu  observer  service
/**                             rbm    -                 -           -         -
/                               -      -                 -           r         -
/proc/**                        -      -                 -           r         -
/proc/boot                      -      r                 r           -         -
/proc/time                      -      r                 r           -         -
/log/**                         -      -                 -           r         -
/log/queen.log                  a      r                 r           -         -
/log/queen.log.follow           -      r                 r           -         -
/queen/ctl                      a      -                 -           -         -
/worker                         -      -                 -           r         -
/worker/*                       -      -                 -           r         -
/worker/*/telemetry             -      -                 -           r         -
/worker/*/telemetry.follow      -      -                 -           r         -
/worker/*/ctl                   a      -                 -           -         -
/worker/<self>                  -      r                 r           -         -
/worker/<self>/*                -      r                 r           -         -
/worker/<self>/telemetry        -      a                 a           -         -
/worker/<self>/yield            -      a                 a           -         -
/worker/<self>/result           -      -                 a           -         -
/gpu/*/ctl                      a      -                 -           -         -
/gpu/<lease>/info               -      -                 r           -         -
/gpu/<lease>/job                -      -                 a           -         -
/gpu/<lease>/status             -      -                 r           -         -
/gpu/<lease>/status.follow      -      -                 r           -         -
/gpu/<lease>/lease              -      -                 r           -         -
/gpu/<lease>/lease.follow       -      -                 r           -         -
/gpu/<lease>/blob/*/in          -      -                 rw          -         -
/gpu/<lease>/blob/*/out         -      -                 r           -         -
`;

/** What may be asked. Everything else that 9P knows, e.g. to create, remove or rename, nobody may. */
export const OPERATIONS = ["walk", "read", "append", "write", "bind", "mount"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Why not: no row grants it; a row grants it to another worker, or to the lessee. */
export type Denial = "not-granted" | "another-worker" | "no-lease";
export type Decision = "granted" | Denial;

/** Who asks. */
export interface Principal {
  readonly role: Role;
  /** What the ticket names: the worker's id, the service's name; "" if it names nothing. */
  readonly subject: string;
}

/** Who holds a lease now. */
export interface Leases {
  isLessee(worker: string, gpu: string): boolean;
}

/** A row that grants a role something. */
interface Row {
  readonly names: readonly string[];
  /** Whether it ends in `**`. */
  readonly below: boolean;
  readonly letters: string;
}

const LETTERS: Readonly<Record<Exclude<Operation, "walk">, string>> = {
  read: "r",
  append: "a",
  write: "w",
  bind: "b",
  mount: "m",
};

const ROWS: Readonly<Record<Role, readonly Row[]>> = parseTable(TABLE);

/** Decide. @param names of the resolved path from the root, none for the root itself. */
export function decide(who: Principal, operation: Operation, names: readonly string[], leases: Leases): Decision {
  const rows = ROWS[who.role];
  const walk = operation === "walk";
  let denial: Denial = "not-granted";
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if (!walk && !row.letters.includes(LETTERS[operation])) continue;
    const match = matchRow(row, names, walk, who, leases);
    if (match === "granted") return match;
    if (match !== "not-granted") denial = match;
  }
  return denial;
}

/** Whether a session may export that service: the service's own, and nobody else. */
export function mayExport(who: Principal, service: string): boolean {
  return who.role === "service" && service !== "" && who.subject === service;
}

/** The path by which the table knows an exporter's tree, wherever it is mounted. */
export function homeOf(service: string): readonly string[] {
  return service === "gpu-bridge" ? ["gpu"] : ["svc", service];
}

/** The audit line of a denial. What the client chose is shown so that it cannot look like another line or field. */
export function describeDenial(
  who: Principal,
  operation: Operation | "export",
  names: readonly string[],
  denial: Denial | "out-of-scope",
): string {
  const subject = who.subject === "" ? "" : ` subject=${escape(who.subject)}`;
  return `denied ${operation} path=/${names.map(escape).join("/")} role=${who.role}${subject} why=${denial}`;
}

/** The audit line of a write to a file whose writes are told. @param why it is refused, if it is */
export function describeWrite(who: Principal, names: readonly string[], why: string | undefined): string {
  const subject = who.subject === "" ? "" : ` subject=${escape(who.subject)}`;
  const refused = why === undefined ? "" : ` why=${why}`;
  const what = why === undefined ? "wrote" : "refused write";
  return `${what} path=/${names.map(escape).join("/")} role=${who.role}${subject}${refused}`;
}

/** Text of a client in an audit line: no blanks, no control characters, nothing that turns the line around. */
function escape(text: string): string {
  let shown = "";
  for (const character of text) {
    const plain = !'"\\='.includes(character) && !hasInvisible(character);
    shown += plain ? character : `\\u{${character.codePointAt(0)!.toString(16)}}`;
  }
  return shown;
}

/** @param prefix whether the path may also stop on the way to what the row names. */
function matchRow(row: Row, names: readonly string[], prefix: boolean, who: Principal, leases: Leases): Decision {
  const pattern = row.names;
  if (names.length < pattern.length ? !prefix : names.length > pattern.length && !row.below) return "not-granted";
  const length = Math.min(names.length, pattern.length);
  let result: Decision = "granted";
  for (let i = 0; i < length; i++) {
    const name = names[i]!;
    const wanted = pattern[i]!;
    // The wildcards first, for a client may well ask for a file whose name is one.
    if (wanted === "*") continue;
    if (wanted === "<self>") {
      if (name !== "self" && name !== who.subject) result = "another-worker";
    } else if (wanted === "<lease>") {
      if (!leases.isLessee(who.subject, name)) result = "no-lease";
    } else if (wanted !== name) {
      return "not-granted";
    }
  }
  return result;
}

function parseTable(table: string): Record<Role, Row[]> {
  const rows: Record<Role, Row[]> = { queen: [], "worker-heartbeat": [], "worker-gpu": [], observer: [], service: [] };
  const [head = "", ...lines] = table.trim().split("\n");
  if (head.split(/ +/).join(" ") !== `path ${ROLES.join(" ")}`)
    throw new Error("policy: the columns are not the roles");
  for (const line of lines) {
    const [path = "", ...cells] = line.split(/ +/);
    if (cells.length !== ROLES.length || !cells.every((cell) => /^(?:-|(?=.)r?a?w?b?m?)$/.test(cell))) {
      throw new Error(`policy: no row of the table: ${line}`);
    }
    const below = path.endsWith("/**");
    const names = (below ? path.slice(0, -3) : path).split("/").filter((name) => name !== "");
    ROLES.forEach((role, column) => {
      const letters = cells[column]!;
      if (letters !== "-") rows[role].push({ names, below, letters });
    });
  }
  return rows;
}
