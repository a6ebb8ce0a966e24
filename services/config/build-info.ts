/**
 * What the image says of itself: `build.json`, written when the bundle is made. Throws one sentence if it is not what was written.
 */

/** Version, git revision, image hash and QuickJS release. */
export interface BuildInfo {
  readonly version: string;
  readonly revision: string;
  readonly imageHash: string;
  readonly quickjs: string;
}

/** Read the file's text. */
export function readBuildInfo(text: string): BuildInfo {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("build.json: it is no JSON.");
  }
  return {
    version: field(value, "version"),
    revision: field(value, "revision"),
    imageHash: field(value, "imageHash"),
    quickjs: field(value, "quickjs"),
  };
}

function field(value: unknown, name: string): string {
  const text: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  if (typeof text !== "string" || text === "") throw new Error(`build.json: /${name} must be a text.`);
  return text;
}
