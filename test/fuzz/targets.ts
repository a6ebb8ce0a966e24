/** Everything that can be fuzzed. */
import { client } from "./9p/client.ts";
import { frames } from "./9p/frames.ts";
import { sequences } from "./9p/sequences.ts";
import { worker } from "./9p/worker.ts";
import { NET_TARGETS } from "./net/targets.ts";
import { CONFIGURATION_TARGETS } from "./text/configuration.ts";
import { QUEEN_TARGETS } from "./text/queen.ts";
import { tickets } from "./text/tickets.ts";
import { grammar } from "./console/grammar.ts";
import { FRAMER_TARGETS } from "./console/framer.ts";
import { lineEditor } from "./console/line-editor.ts";
import { door } from "./console/door.ts";
import { virtqueue } from "./virtio/queue.ts";
import { DRIVER_TARGETS } from "./virtio/drivers.ts";
import { COHSH_TARGETS } from "./cohsh/targets.ts";
import { GPU_TARGETS } from "./gpu/targets.ts";
import type { Target } from "./target.ts";

export const TARGETS: readonly Target[] = [
  frames,
  sequences,
  client,
  worker,
  ...NET_TARGETS,
  ...CONFIGURATION_TARGETS,
  ...QUEEN_TARGETS,
  tickets,
  grammar,
  ...FRAMER_TARGETS,
  lineEditor,
  door,
  virtqueue,
  ...DRIVER_TARGETS,
  ...COHSH_TARGETS,
  ...GPU_TARGETS,
];
