/** Turns positions in a bundle into positions in TypeScript, by the table that the build made of it (`main.lines`). */

const STEP_FAR = 0xff;

/** Knows no line. */
export const EMPTY_LINE_TABLE: Uint8Array = Buffer.from("LINE\0\0\0\0\0\0\0\0", "latin1");

export class LineTable {
  private readonly position: RegExp;
  /** By the bundle's line, less 1. */
  private readonly names: readonly (string | undefined)[];

  /** @param module the bundle's name in stacks. @throws Error if the bytes are no line table. */
  constructor(bytes: Uint8Array, module: "main.js" | "worker.js" = "main.js") {
    this.position = new RegExp(`${module.replace(".", "\\.")}:(\\d+)(:\\d+)?`, "g");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const wrong = new Error(`${module.replace(".js", ".lines")}: not a line table`);
    if (bytes.length < 12 || Buffer.from(bytes.subarray(0, 4)).toString("latin1") !== "LINE") throw wrong;
    const files: string[] = [];
    let at = 8;
    for (let left = view.getUint32(4, true); left > 0; left--) {
      const end = bytes.indexOf(0, at);
      if (end < 0) throw wrong;
      files.push(Buffer.from(bytes.subarray(at, end)).toString("utf8"));
      at = end + 1;
    }
    at = (at + 3) & ~3;
    if (at + 4 > bytes.length || at + 4 + view.getUint32(at, true) !== bytes.length) throw wrong;
    const names: (string | undefined)[] = [];
    let file: string | undefined;
    let line = 0;
    for (at += 4; at < bytes.length;) {
      const step = bytes[at++]!;
      if (step === STEP_FAR) {
        if (at + 4 > bytes.length) throw wrong;
        file = files[view.getUint16(at, true)];
        line = view.getUint16(at + 2, true);
        at += 4;
      } else line += step;
      names.push(file === undefined ? undefined : `${file}:${line}`);
    }
    this.names = names;
  }

  /** `MODULE:LINE:COLUMN` becomes `file.ts:LINE`; what the table does not know stays. */
  translate(text: string): string {
    return text.replace(this.position, (position, line: string) => this.names[Number(line) - 1] ?? position);
  }
}
