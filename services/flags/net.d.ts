/**
 * The flags that bundles are built with, as most of them have it. `scripts/lib/vm-bundle.ts` puts the values in place of the names,
 * so what a flag leaves out is not in the bundle at all; `no-net.d.ts` is for the type check of the bundle without a network.
 */

/** Whether the network is part of it: `services/net`, the console's door and virtio-net. `--no-net` leaves them out. */
declare const COHESIX_NET: true;
