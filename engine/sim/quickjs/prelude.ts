/**
 * Script that runs in a context before anything else. The native engine carries QuickJS 2025-04-26 and this library a
 * later one: what came after is removed, so that a bundle that runs here finds nothing that is missing there.
 */
const LATER = `
ArrayBuffer.prototype transfer transferToFixedLength resize resizable maxByteLength
SharedArrayBuffer.prototype grow growable maxByteLength
Set.prototype union intersection difference symmetricDifference isSubsetOf isSupersetOf isDisjointFrom
Map.prototype getOrInsert getOrInsertComputed
WeakMap.prototype getOrInsert getOrInsertComputed
DataView.prototype getFloat16 setFloat16
Math sumPrecise f16round
Atomics pause
RegExp escape
Promise try
Error isError
globalThis Float16Array Iterator`;

/** Its value is \`[TypeError, RangeError, Error, parse, detach]\`, taken before the guest can replace them. */
export const PRELUDE = `(() => {
  const transfer = ArrayBuffer.prototype.transfer;
  const iterator = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
  for (const key of ["drop", "every", "filter", "find", "flatMap", "forEach", "map", "reduce", "some", "take", "toArray"])
    delete iterator[key];
  for (const line of ${JSON.stringify(LATER.trim())}.split("\\n")) {
    const [path, ...keys] = line.split(" ");
    let owner = globalThis;
    for (const part of path.split(".")) owner = owner === undefined ? undefined : owner[part];
    if (owner !== undefined) for (const key of keys) delete owner[key];
  }
  const { parse } = JSON;
  return [TypeError, RangeError, Error, parse, (buffer) => { transfer.call(buffer, 0); }];
})()`;
