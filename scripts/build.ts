/**
 * `npm run build`: the VM bundles and the host tools, with esbuild alone. Everything lands in `out/`; a file
 * that would not change is not written.
 */
import { join } from "node:path";
import { Command } from "commander";
import { ensureCredentials } from "./lib/credentials.ts";
import { buildHostTools } from "./lib/host-tool.ts";
import { sizeText } from "./lib/output.ts";
import { inRepository } from "./lib/repository.ts";
import { bothVariants, describeVariants } from "./lib/variants.ts";
import { buildVmBundle, workerEntry } from "./lib/vm-bundle.ts";

interface BuildOptions {
  readonly worker: string;
  readonly net: boolean;
  readonly quiet?: boolean;
}

async function main(): Promise<void> {
  const program = new Command("build")
    .description(
      "Builds the VM bundles (out/vm) and the host tools (out/host), and credentials if there are none (out/hive).",
    )
    .option("--worker <file>", "another TypeScript entry for workers", workerEntry)
    .option("--no-net", "leave the network stack out of the VM bundle")
    .option("--quiet", "print nothing but mistakes")
    .parse();
  const options = program.opts<BuildOptions>();
  const out = inRepository("out", "vm");
  const sources = {
    entry: inRepository("services", "main.ts"),
    worker: options.worker,
    manifest: inRepository("rootfs", "manifest.json"),
    out,
  };
  const bundle = await buildVmBundle({ ...sources, net: options.net });
  ensureCredentials();
  const tools = await buildHostTools();
  if (options.quiet === true) return;
  console.log(`${join(out, "main.js")}: ${sizeText(bundle.js.length)}`);
  console.log(`${join(out, "worker.js")}: ${sizeText(bundle.worker.js.length)}`);
  for (const tool of tools) console.log(tool);
  console.log(describeVariants(await bothVariants(sources)));
}

try {
  await main();
} catch (error) {
  console.error(`build: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
