/** The host shell over TCP, with what it prints kept. */
import { TextOutput } from "../../cohsh/output.ts";
import { Shell } from "../../cohsh/shell.ts";
import { tcpKeys } from "../../cohsh/transports/make.ts";
import { type TcpPatience, TcpTransport } from "../../cohsh/transports/tcp.ts";

const ANSWER_MS = 20_000;
const OPEN_MS = 60_000;
/** For who cannot wait half a minute to see that a hive is lost. */
export const HURRY: Partial<TcpPatience> = { silence: 400, heartbeat: 600, backOff: { first: 100, most: 500 } };

export class ShellOnTcp {
  readonly shell: Shell;
  /** Everything that it has printed; its own words are behind `# `. */
  readonly printed: string[] = [];
  #changed: () => void = () => undefined;

  constructor(port: number, patience: Partial<TcpPatience>) {
    const keys = tcpKeys({});
    const print = (line: string): void => {
      this.printed.push(line);
      this.#changed();
    };
    const transport = new TcpTransport({ host: "127.0.0.1", port, token: () => keys.token(), patience });
    this.shell = new Shell(transport, { timeoutMs: ANSWER_MS, follow: false, output: new TextOutput(print), keys });
  }

  /** One that is logged in as the Queen. */
  static async queen(port: number, patience: Partial<TcpPatience> = {}): Promise<ShellOnTcp> {
    const on = new ShellOnTcp(port, patience);
    await on.shell.open(AbortSignal.timeout(OPEN_MS));
    const outcome = await on.shell.execute("attach queen");
    if (outcome !== "ok") throw new Error(`attach queen: ${outcome}: ${on.printed.join("|")}`);
    return on;
  }

  /** Wait until it has printed such a line behind so many. @returns how many it had printed with it */
  async sees(line: RegExp, from: number, withinMs: number): Promise<number> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const at = this.printed.findIndex((text, index) => index >= from && line.test(text));
      if (at >= 0) return at + 1;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`${String(line)} was not printed: ${this.printed.slice(-5).join(" | ")}`);
      await new Promise<void>((settle) => {
        const timer = setTimeout(settle, left);
        this.#changed = () => {
          clearTimeout(timer);
          settle();
        };
      });
    }
  }
}
