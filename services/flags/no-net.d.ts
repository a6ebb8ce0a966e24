/** The flags of a bundle without the network, see `net.d.ts`. */

declare const COHESIX_NET: false;
