/**
 * The stand-in for `pong.elf` (engine/native/components/pong): the same protocol and the same test modes, as a script
 * for `ComponentProgram`. What a script cannot do by itself (touch unmapped memory, jump to data) it says with `fault`.
 */

/** The first bytes of a boot file that this simulator can run as a component, as `\x7fELF` is on the other engine. */
export const COMPONENT_MAGIC = "// cohesix simulated component\n";

export const PONG = `${COMPONENT_MAGIC}
const HELLO = 0x100, PING = 0x101, PONG = 0x102, FLOOD = 0x103, WAIT = 0x105, ECHO = 0x106, ECHO_OK = 0x107;
const NORMAL = 0, HANG = 1, FAULT = 2, CALL_FLOOD = 3, SEND_AND_FAULT = 4, OVERFLOW = 5, SEND_FLOOD = 6, ARENA = 7,
  JUMP_TO_DATA = 8, FRAME = 9;
const wait = () => [WAIT, 0, 0, 0, 0];
const call = (label, word) => [label, word, 0, 0, 0];
let mode = NORMAL;
let state = "start";

const overflow = (depth) => 1 + overflow(depth + 1);
// No table on the way to that address: a write, translation level 0.
const writeToNowhere = () => fault(1, 0x400120, 0xbad0000000, 0x92000044, 2);

function arenaIsClean() {
  for (let i = 0; i < arena.length; i++) {
    if (arena[i] !== 0) return false;
    arena[i] = ~i;
  }
  return arena.every((byte, i) => byte === (~i & 0xff));
}

function answered(ping) {
  switch (mode) {
    case HANG:
      for (;;);
    case FAULT:
      return writeToNowhere();
    case CALL_FLOOD:
      state = "flooding";
      return call(FLOOD, 0);
    case SEND_AND_FAULT:
      send(FLOOD);
      return writeToNowhere();
    case OVERFLOW:
      return overflow(0);
    case SEND_FLOOD:
      state = "sending";
      send(FLOOD);
      return null;
    case JUMP_TO_DATA:
      // Read-only data is not executable: a permission fault of an instruction fetch, level 3.
      return fault(1, 0x401000, 0x401000, 0x8200000f, 1);
    case ARENA:
      if (!arenaIsClean()) return wait();
      break;
    case FRAME:
      for (let i = 0; i < frame.length; i++) frame[i] = i;
      state = "echoing";
      return call(ECHO, frame.length);
  }
  return ping ? call(PONG, ping) : wait();
}

function step(label, w0) {
  switch (state) {
    case "start":
      mode = w0;
      state = "greeting";
      return call(HELLO, 1);
    case "greeting":
      state = "done";
      return answered(w0);
    case "flooding":
      return call(FLOOD, 0);
    case "sending":
      send(FLOOD);
      return null;
    case "echoing":
      state = "done";
      return call(ECHO_OK, frame.every((byte, i) => byte === (~i & 0xff)) ? 1 : 0);
    default:
      return wait();
  }
}
`;
