/**
 * What the validators of `schema/*.schema.json` are to this folder. They are compiled when the bundle is built
 * (`scripts/lib/schemas.ts`), because the VM has no compiler; whoever composes a hive hands them in.
 */
/** A mistake as a validator leaves it; its first one ends the check. */
export interface SchemaError {
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** A compiled schema. `errors` are those of the last call. */
export interface Validator<T> {
  (value: unknown): value is T;
  readonly errors?: readonly SchemaError[] | null;
}

/** Names as in the JSON. */
export interface BudgetFields {
  readonly ttl_s?: number;
  readonly ops?: number;
  readonly ticks?: number;
}

/** Bands of the scheduler in which a worker may run; `system` is the hive's own. */
export type Priority = "control" | "worker";

export interface HeartbeatFields {
  readonly spawn: "heartbeat";
  readonly ticks?: number;
  readonly budget?: BudgetFields;
  readonly priority?: Priority;
}

export interface GpuFields {
  readonly spawn: "gpu";
  readonly lease: {
    readonly gpu_id: string;
    readonly mem_mb: number;
    readonly streams: number;
    readonly ttl_s: number;
    readonly priority?: number;
  };
  readonly budget?: BudgetFields;
  readonly priority?: Priority;
}

/** A validator for every command, and for each of `common.schema.json` what a value of it must be. */
export interface CtlSchemas {
  readonly heartbeat: Validator<HeartbeatFields>;
  readonly gpu: Validator<GpuFields>;
  readonly kill: Validator<{ readonly kill: string }>;
  readonly bind: Validator<{ readonly bind: { readonly from: string; readonly to: string } }>;
  readonly mount: Validator<{ readonly mount: { readonly service: string; readonly at: string } }>;
  readonly set_budget: Validator<{ readonly set_budget: BudgetFields & { readonly worker: string } }>;
  readonly budget: Validator<{ readonly budget: BudgetFields }>;
  readonly descriptions: Readonly<Record<string, string>>;
}
