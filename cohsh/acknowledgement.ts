/**
 * Reads the acknowledgement lines that answer console commands. A line that deviates from the grammar in
 * any way is not an acknowledgement (`undefined`), so log text can hardly be taken for one.
 */

import type { Reason, Refusal } from "../services/console/grammar.ts";

export type Acknowledgement =
  | { readonly ok: true; readonly verb: string; readonly detail: string }
  | ({ readonly ok: false; readonly verb: string } & Refusal);

const OK_LINE = /^OK ([A-Z][A-Z0-9_]*)(?: (.*))?$/;
const ERR_LINE =
  /^ERR ([A-Z][A-Z0-9_]*) reason=(busy|quota|cut|policy)(?: detail=(.*?))?(?: path=(\S+))?(?: error=([A-Z][A-Z0-9]*))?$/;

/** @returns the acknowledgement, `undefined` if the line is none. */
export function parseAcknowledgement(line: string): Acknowledgement | undefined {
  const ok = OK_LINE.exec(line);
  if (ok !== null) return { ok: true, verb: ok[1] ?? "", detail: ok[2] ?? "" };
  const err = ERR_LINE.exec(line);
  if (err === null) return undefined;
  const [, verb = "", reason, detail, path, error] = err;
  return {
    ok: false,
    verb,
    // The expression admits exactly these four.
    reason: reason as Reason,
    ...(detail === undefined ? {} : { detail }),
    ...(path === undefined ? {} : { path }),
    ...(error === undefined ? {} : { error }),
  };
}
