/** What the checks and the process that holds the kernel's sockets say to each other. Sockets have numbers. */
export type Order =
  /** Accepted sockets get the numbers from `first` on, in the order in which they come. */
  | { readonly order: "listen"; readonly port: number; readonly first: number; readonly reading: boolean }
  | { readonly order: "unlisten"; readonly port: number }
  | {
      readonly order: "connect";
      readonly id: number;
      readonly address: string;
      readonly port: number;
      readonly localPort?: number | undefined;
      readonly reading: boolean;
    }
  /** `bytes` of the pattern of `seed`. */
  | { readonly order: "send"; readonly id: number; readonly seed: number; readonly bytes: number }
  | { readonly order: "say"; readonly id: number; readonly text: string }
  | { readonly order: "end" | "reset" | "destroy" | "pause" | "resume"; readonly id: number };

interface Remote {
  readonly remoteAddress: string;
  readonly remotePort: number;
}

export type Report =
  | { readonly report: "listening"; readonly port: number }
  | ({ readonly report: "accepted"; readonly id: number; readonly port: number } & Remote)
  | { readonly report: "connected"; readonly id: number; readonly localPort: number }
  /** All that was to be sent is the kernel's. */
  | { readonly report: "sent"; readonly id: number }
  | { readonly report: "received"; readonly id: number; readonly bytes: number }
  /** The peer has finished; SHA-256 of all that came, and its beginning. */
  | { readonly report: "ended"; readonly id: number; readonly sha256: string; readonly text: string }
  | { readonly report: "failed"; readonly id: number; readonly code: string }
  | { readonly report: "closed"; readonly id: number };
