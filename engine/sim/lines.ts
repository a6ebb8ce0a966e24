/** Turns positions in a bundle into positions in TypeScript, by the table that the build made of it (`main.lines`). */

const NONE = 0xffff;

/** Knows no line. */
export const EMPTY_LINE_TABLE: Uint8Array = Buffer.from("LINE\0\0\0\0\0\0\0\0", "latin1");

export class LineTable {
  private readonly position: RegExp;
  private readonly files: readonly string[];
  private readonly entries: DataView;

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
    if (at + 4 > bytes.length || at + 4 + 4 * view.getUint32(at, true) !== bytes.length) throw wrong;
    this.files = files;
    this.entries = new DataView(bytes.buffer, bytes.byteOffset + at + 4, bytes.length - at - 4);
  }

  /** `MODULE:LINE:COLUMN` becomes `file.ts:LINE`; what the table does not know stays. */
  translate(text: string): string {
    return text.replace(this.position, (position, line: string) => {
      const at = 4 * (Number(line) - 1);
      if (at < 0 || at + 4 > this.entries.byteLength) return position;
      const index = this.entries.getUint16(at, true);
      const file = index === NONE ? undefined : this.files[index];
      return file === undefined ? position : `${file}:${String(this.entries.getUint16(at + 2, true))}`;
    });
  }
}
