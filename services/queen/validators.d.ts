/** Made of `schema/*.schema.json` by `scripts/lib/schemas.ts`: a module of the bundle, there is no such file. */
import type { CtlSchemas } from "./schemas.ts";

export const heartbeat: CtlSchemas["heartbeat"];
export const gpu: CtlSchemas["gpu"];
export const kill: CtlSchemas["kill"];
export const bind: CtlSchemas["bind"];
export const mount: CtlSchemas["mount"];
export const set_budget: CtlSchemas["set_budget"];
export const budget: CtlSchemas["budget"];
export const descriptions: CtlSchemas["descriptions"];
