/**
 * What the network costs: the sizes of a hive's bundle on its way from TypeScript to the boot archive, with the network
 * and without it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compileBytecode } from "./native.ts";
import { sizeText } from "./output.ts";
import { replaceFiles } from "./rootfs.ts";
import { buildVmBundle, type VmBundleOptions } from "./vm-bundle.ts";

export interface VariantSizes {
  /** `main.js`. */
  readonly bundle: number;
  /** `main.qbc`, if there is a compiler. */
  readonly bytecode?: number;
  /** `rootfs.cpio`, if there is one. */
  readonly archive?: number;
}

/** What stands for the native build. */
export interface Archived {
  readonly compiler: string;
  /** A boot archive of either kind; only its bundle is replaced. */
  readonly archive: string;
}

/** Sizes of both kinds, in this order: with the network, without it. Bundles go to a folder of `options.out`. */
export async function bothVariants(
  options: Omit<VmBundleOptions, "net">,
  archived?: Archived,
): Promise<readonly [VariantSizes, VariantSizes]> {
  const measure = async (net: boolean): Promise<VariantSizes> => {
    const out = join(options.out, net ? "net" : "no-net");
    const { js, lines, buildInfo } = await buildVmBundle({ ...options, out, net });
    if (archived === undefined) return { bundle: js.length };
    const bytecode = compileBytecode(archived.compiler, out, "main", false);
    const files = { "main.qbc": bytecode, "main.lines": lines, "build.json": buildInfo };
    const archive = replaceFiles(readFileSync(archived.archive), files).length;
    return { bundle: js.length, bytecode: bytecode.length, archive };
  };
  return [await measure(true), await measure(false)];
}

/** Two lines for people. */
export function describeVariants(variants: readonly [VariantSizes, VariantSizes]): string {
  const line = (name: string, { bundle, bytecode, archive }: VariantSizes): string => {
    const sizes = [`bundle ${sizeText(bundle)}`];
    if (bytecode !== undefined) sizes.push(`bytecode ${sizeText(bytecode)}`);
    if (archive !== undefined) sizes.push(`rootfs.cpio ${sizeText(archive)}`);
    return `${name}: ${sizes.join(", ")}`;
  };
  return `${line("with the network", variants[0])}\n${line("without it (--no-net)", variants[1])}`;
}
