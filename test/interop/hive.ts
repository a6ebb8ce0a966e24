/**
 * A hive as the witnesses of other make need it: somewhere to attach, and somebody on the host's side who knows what is
 * really in it.
 */
import type { Namespace } from "../../services/ninedoor/namespace.ts";
import type { Tree } from "../../services/secure9p/tree.ts";

export interface Hive {
  /** What the Queen attaches with. */
  readonly queen: string;
  readonly namespace: Namespace;
  /** Whether its workers run, and so write telemetry. */
  readonly beats: boolean;
  /** The tree of a new connection, where `aname` decides. */
  tree(): Tree;
  end(): void;
}

/** All that is in `/log/queen.log`, from the ring itself. */
export function logBytes({ namespace }: Hive): Buffer {
  const { ring } = namespace.queenLog;
  const parts: Uint8Array[] = [];
  const sink = {
    put(bytes: Uint8Array, start: number, length: number): number {
      parts.push(bytes.slice(start, start + length));
      return length;
    },
  };
  ring.send(sink, ring.start, ring.end - ring.start);
  return Buffer.concat(parts);
}
