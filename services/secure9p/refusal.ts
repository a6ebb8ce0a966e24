/**
 * Why a request is not done: the table of docs/INTERFACES.md, one constant per row and errno.
 * It is the only error that this folder and its providers exchange; all of them exist once and carry no stack.
 */

export type RefusalName =
  | "Permission"
  | "NotFound"
  | "Busy"
  | "Invalid"
  | "TooBig"
  | "Closed"
  | "Stale"
  | "RateLimited"
  | "Unsupported"
  | "TimedOut"
  | "Foreign";

/** One reason. `code` is the errno's name, as acknowledgements of the console give it. */
export class Refusal {
  readonly name: RefusalName;
  readonly code: string;
  readonly errno: number;

  constructor(name: RefusalName, code: string, errno: number) {
    this.name = name;
    this.code = code;
    this.errno = errno;
  }
}

/** The role may not. */
export const PERMISSION = new Refusal("Permission", "EPERM", 1);
/** No such path, worker, service. */
export const NOT_FOUND = new Refusal("NotFound", "ENOENT", 2);
/** In use, no slot, provider away. */
export const BUSY = new Refusal("Busy", "EBUSY", 16);
/** Malformed frame, JSON, argument. */
export const INVALID = new Refusal("Invalid", "EINVAL", 22);
/** Beyond msize or a limit. */
export const TOO_BIG = new Refusal("TooBig", "EMSGSIZE", 90);
/** No such fid, or not one that is open for this. */
export const BAD_FID = new Refusal("Closed", "EBADF", 9);
/** The session, ticket or worker is revoked. */
export const CLOSED = new Refusal("Closed", "ESHUTDOWN", 108);
/** The ring has overtaken the fid. */
export const STALE = new Refusal("Stale", "ESTALE", 116);
/** Locked out, over quota. */
export const RATE_LIMITED = new Refusal("RateLimited", "EAGAIN", 11);
/** Valid 9P that we do not offer. */
export const UNSUPPORTED = new Refusal("Unsupported", "EOPNOTSUPP", 95);
/** A provider did not answer. */
export const TIMED_OUT = new Refusal("TimedOut", "ETIMEDOUT", 110);

/** All that we send. */
export const REFUSALS: readonly Refusal[] = [
  PERMISSION,
  NOT_FOUND,
  BUSY,
  INVALID,
  TOO_BIG,
  BAD_FID,
  CLOSED,
  STALE,
  RATE_LIMITED,
  UNSUPPORTED,
  TIMED_OUT,
];

/** What another server's Rlerror means here; an errno that is not in the table keeps its number as `Foreign`. */
export function refusalOf(errno: number): Refusal {
  for (let i = 0; i < REFUSALS.length; i++) {
    const refusal = REFUSALS[i]!;
    if (refusal.errno === errno) return refusal;
  }
  return new Refusal("Foreign", `E${errno}`, errno);
}
