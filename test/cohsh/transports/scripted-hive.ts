/** A console on TCP whose every word is the test's: it tells the truth, lies, stalls or cuts as it is told. */

import { createServer, type Server, type Socket } from "node:net";
import { frame, FrameReader } from "../../../cohsh/transports/frames.ts";

export const TOKEN = "t0ken-of-the-test";

export class Peer {
  readonly socket: Socket;
  readonly lines: string[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Lines as frames, all in one segment. */
  say(...lines: string[]): void {
    this.socket.write(Buffer.concat(lines.map(frame)));
  }

  raw(...bytes: number[]): void {
    this.socket.write(Uint8Array.from(bytes));
  }
}

/** What the hive does with a line; it need do nothing. */
export type Script = (line: string, peer: Peer) => void;

/** Admits the token and answers PING and QUIT. */
export const honest: Script = (line, peer) => {
  if (line === `AUTH ${TOKEN}`) peer.say("OK AUTH");
  else if (/^auth /i.test(line)) peer.say("ERR AUTH reason=policy detail=denied");
  else if (line === "ping") peer.say("OK PING reply=pong", "PONG");
  else if (line === "quit") {
    peer.say("OK QUIT");
    peer.socket.end();
  }
};

export class ScriptedHive {
  /** All connections there ever were. */
  readonly peers: Peer[] = [];
  script: Script;
  /** Called for each connection before anything is read. */
  onConnect: ((peer: Peer) => void) | undefined;
  port = 0;
  #server: Server | undefined;
  #wake: (() => void) | undefined;

  constructor(script: Script = honest) {
    this.script = script;
  }

  /** @param port that of before, to be there again */
  async listen(port = 0): Promise<void> {
    const server = createServer((socket) => {
      const peer = new Peer(socket);
      this.peers.push(peer);
      socket.on("error", () => undefined);
      this.onConnect?.(peer);
      const reader = new FrameReader((line) => {
        peer.lines.push(line);
        this.script(line, peer);
        this.#wake?.();
      });
      socket.on("data", (bytes: Buffer) => void reader.feed(bytes));
      socket.on("close", () => this.#wake?.());
      this.#wake?.();
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("it has no port");
    this.port = address.port;
  }

  get last(): Peer {
    const peer = this.peers.at(-1);
    if (peer === undefined) throw new Error("nobody is connected");
    return peer;
  }

  /** Every line of every connection. */
  get lines(): string[] {
    return this.peers.flatMap((peer) => peer.lines);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /** Cut every connection. */
  cut(): void {
    for (const { socket } of this.peers) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }
}
