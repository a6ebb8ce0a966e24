/** The host's programs as their users have them, of the sources as they are now: they are up in half the time that sources take. */
import { buildHostTool, buildProgram } from "../../scripts/lib/host-tool.ts";
import { inRepository } from "../../scripts/lib/repository.ts";

export const COHSH = await buildHostTool("cohsh");
export const GPU_BRIDGE = await buildHostTool("gpu-bridge");
export const START = await buildHostTool("start");

/** The same of a program of the tests' own. @param name of the file, which stands in `out/test` */
export function testProgram(entry: string, name: string): Promise<string> {
  return buildProgram(entry, inRepository("out", "test", `${name}.mjs`));
}
