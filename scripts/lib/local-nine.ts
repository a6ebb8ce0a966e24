/** A tree of this process, asked over 9P: everything that 9P costs but a wire. */
import { SERVED } from "../../cohsh/export/serve.ts";
import { Session } from "../../services/secure9p/session.ts";
import type { Tree } from "../../services/secure9p/tree.ts";
import { Nine } from "./nine.ts";
import { nodeBytes } from "./node-bytes.ts";

const TAGS = 32;
const UNSENT_BYTES = 32 * 8192;

export class LocalNine extends Nine {
  readonly #session: Session;
  #carrying = false;
  #later: NodeJS.Immediate | undefined;

  private constructor(tree: Tree) {
    super({ tags: TAGS, unsentBytes: UNSENT_BYTES });
    this.#session = new Session({
      tree,
      bytes: nodeBytes,
      ...SERVED,
      // As an exporter does: answers that come together leave together.
      replied: () => {
        if (!this.#carrying) this.#later ??= setImmediate(() => this.carry());
      },
    });
  }

  static async to(tree: Tree): Promise<LocalNine> {
    const nine = new LocalNine(tree);
    await nine.begin();
    return nine;
  }

  close(): void {
    clearImmediate(this.#later);
    this.#session.close();
    this.client.close();
  }

  protected carry(): void {
    this.#later = undefined;
    if (this.#carrying) return;
    this.#carrying = true;
    const { client } = this;
    const session = this.#session;
    while (client.unsent + session.unsent > 0) {
      if (client.unsent > 0) client.sent(session.receive(client.out, client.start, client.run));
      if (session.unsent > 0) {
        const { run } = session;
        client.receive(session.out, session.start, run);
        session.sent(run);
      }
    }
    this.#carrying = false;
  }
}
