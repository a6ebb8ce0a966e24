/** `run-task BACKEND`: one small product on the first GPU of a backend. A program for `bundle.test.ts`. */

import { BACKENDS, BackendUnavailable, openBackend } from "../../../gpu-bridge/backends/open.ts";

try {
  const name = BACKENDS.find((each) => each === process.argv[2]);
  if (name === undefined) throw new Error(`a backend is one of ${BACKENDS.join(", ")}`);
  const backend = await openBackend(name);
  const executor = await backend.open(backend.gpus[0]!);
  const input = new Uint8Array(Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]).buffer);
  const kernel = { kernel: "matmul", m: 2, k: 2, n: 2 } as const;
  const result = await executor.run({ kernel, input }, new AbortController().signal);
  console.log(new Float32Array(result.buffer).join(" "));
  await backend.close();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof BackendUnavailable ? 2 : 1;
}
