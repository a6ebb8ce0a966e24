/** What may be the name of a host and the number of a port. */

import { isIP } from "node:net";

/** A port that was typed; `NaN` if it is none. */
export function portNumber(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  return isPort(number) ? number : NaN;
}

export function isPort(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** A host that may be meant: a name or an address, without a port. */
export function isHost(text: string): boolean {
  return text.length <= 253 && (isIP(text) !== 0 || /^[\w-]+(\.[\w-]+)*\.?$/.test(text));
}
