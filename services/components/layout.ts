/**
 * The address space of a component, so that a fault's address can be named. The numbers are those of
 * `engine/native/components/layout.h`, which the engine builds it from; a test compares the two.
 */

/** Where a component's memory is; everything else is unmapped. */
export interface Layout {
  readonly image: number;
  readonly imageEnd: number;
  readonly stackTop: number;
  readonly stackBytes: number;
  readonly ipcBuffer: number;
  readonly frame: number;
  readonly arena: number;
  readonly arenaMax: number;
}

export const LAYOUT: Layout = {
  image: 0x400000,
  imageEnd: 0x900000,
  stackTop: 0x980000,
  stackBytes: 0x20000,
  ipcBuffer: 0x990000,
  frame: 0x9a0000,
  arena: 0xa00000,
  arenaMax: 0x1000000,
};

/** Size of the IPC buffer, and of the pages under the stack that count as its guard. */
const PAGE = 0x1000;
const FRAME_BYTES = 0x4000;
const GUARD_BYTES = 0x10000;
/** What an access through a null pointer to a large object may still reach. */
const NULL_BYTES = 0x10000;

export type Region = "null" | "image" | "guard" | "stack" | "ipc-buffer" | "frame" | "arena" | "unmapped";

/** Which region an address lies in. `arena` is the whole range that a private heap may take. */
export function regionOf(layout: Layout, address: number): Region {
  const stackBottom = layout.stackTop - layout.stackBytes;
  if (address < NULL_BYTES) return "null";
  if (address >= layout.image && address < layout.imageEnd) return "image";
  if (address >= stackBottom - GUARD_BYTES && address < stackBottom) return "guard";
  if (address >= stackBottom && address < layout.stackTop) return "stack";
  if (address >= layout.ipcBuffer && address < layout.ipcBuffer + PAGE) return "ipc-buffer";
  if (address >= layout.frame && address < layout.frame + FRAME_BYTES) return "frame";
  if (address >= layout.arena && address < layout.arena + layout.arenaMax) return "arena";
  return "unmapped";
}
