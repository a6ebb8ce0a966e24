/** A bundle that fails in its second turn, two calls deep. */
let turns = 0;

function inner(): never {
  throw new TypeError("on purpose");
}

export function turn(_raised: number, nowUs: number): number {
  if (++turns === 2) inner();
  return nowUs + 1000;
}
