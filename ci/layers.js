/**
 * An ESLint rule that holds the layers of docs/ARCHITECTURE.md: who may import whom, who may touch the engine's
 * `host` or `sys`, and that nothing in the VM leans on Node. The table below is the whole policy; a folder that it does
 * not name may import nothing of ours until somebody decides where it stands.
 */
import { dirname, relative, resolve, sep } from "node:path";

/**
 * @typedef {object} Layer
 * @property {string} name as messages call it
 * @property {RegExp} files which files, as paths from the repository's top
 * @property {readonly string[]} may names of layers whose modules it may import
 * @property {readonly string[]} [mayTypes] layers from which `import type` alone is allowed
 * @property {boolean} node whether it runs under Node and may import packages
 * @property {readonly string[]} [packages] modules of packages that it may import though it runs in the VM
 * @property {boolean} host whether it may use the engine's global `host`
 * @property {boolean} [sys] whether it may use the global `sys`, which workers have in its place
 */

/** The first layer whose pattern matches owns a file. @type {readonly Layer[]} */
export const layers = [
  { name: "bindings", files: /^runtime-bindings\.d\.ts$/, may: [], node: false, host: true, sys: true },
  { name: "ports", files: /^services\/ports\//, may: ["ports"], node: false, host: false },
  {
    name: "drivers",
    files: /^services\/drivers\//,
    may: ["drivers"],
    mayTypes: ["ports", "bindings"],
    node: false,
    host: true,
  },
  {
    name: "composition",
    files: /^services\/main\.ts$/,
    may: ["ports", "drivers", "core"],
    mayTypes: ["bindings"],
    node: false,
    host: true,
  },
  {
    name: "worker",
    files: /^services\/worker-main\.ts$/,
    may: ["ports", "core"],
    mayTypes: ["bindings"],
    node: false,
    host: false,
    sys: true,
  },
  {
    name: "core",
    files: /^services\//,
    may: ["ports", "core"],
    packages: ["@noble/hashes/blake3.js"],
    node: false,
    host: false,
  },
  {
    name: "VM test bundle",
    files: /^test\/(?:compliance|bench|integration)\/bundle\//,
    may: ["VM test bundle", "ports", "drivers", "core", "composition"],
    mayTypes: ["bindings"],
    node: false,
    host: true,
    sys: true,
  },
  {
    name: "simulator",
    files: /^engine\/sim\//,
    may: ["simulator", "ports", "core", "scripts"],
    mayTypes: ["bindings"],
    node: true,
    host: false,
  },
  {
    name: "host tools",
    files: /^(?:cohsh|gpu-bridge)\//,
    may: ["host tools", "ports", "core", "simulator", "scripts"],
    mayTypes: ["bindings"],
    node: true,
    host: false,
  },
  {
    name: "scripts",
    files: /^(?:scripts|ci)\/|^[^/]+\.(?:js|mjs|ts)$/,
    may: ["scripts", "simulator", "host tools", "ports", "core"],
    mayTypes: ["bindings"],
    node: true,
    host: false,
  },
  {
    name: "tests",
    files: /^test\//,
    may: [
      "tests",
      "VM test bundle",
      "scripts",
      "simulator",
      "host tools",
      "ports",
      "drivers",
      "core",
      "composition",
      "worker",
      "bindings",
    ],
    node: true,
    host: false,
  },
];

/** What Node and browsers have and QuickJS on bare seL4 has not. */
export const nodeGlobals = [
  "Buffer",
  "TextDecoder",
  "TextEncoder",
  "URL",
  "__dirname",
  "__filename",
  "clearImmediate",
  "clearInterval",
  "clearTimeout",
  "console",
  "crypto",
  "fetch",
  "global",
  "performance",
  "process",
  "queueMicrotask",
  "require",
  "setImmediate",
  "setInterval",
  "setTimeout",
  "structuredClone",
];

/**
 * What the identifier reads that only a port may give: time or chance.
 * @param {import("estree").Identifier & { parent?: import("estree").Node }} identifier a global
 * @returns {string | undefined}
 */
export function ambientInput({ name, parent }) {
  if (name === "Date") return "time";
  if (name !== "Math" || parent?.type !== "MemberExpression") return undefined;
  const { property } = parent;
  const read = property.type === "Identifier" ? property.name : property.type === "Literal" ? property.value : "";
  return read === "random" ? "chance" : undefined;
}

/**
 * @param {string} path from the repository's top, with `/`
 * @returns {Layer | undefined}
 */
export function layerOf(path) {
  return layers.find(({ files }) => files.test(path));
}

/**
 * @param {string} path
 * @returns {string}
 */
function withSlashes(path) {
  return path.split(sep).join("/");
}

/**
 * Why `from` may not import `specifier`, `undefined` if it may.
 * @param {string} from path of the importing file from the repository's top
 * @param {string} specifier as written
 * @param {boolean} typeOnly whether nothing but types is imported
 * @returns {string | undefined}
 */
export function importRefused(from, specifier, typeOnly) {
  const layer = layerOf(from);
  if (layer === undefined) return `${from} stands in no layer of ci/layers.js`;
  if (!specifier.startsWith(".")) {
    if (layer.node || layer.packages?.includes(specifier) === true) return undefined;
    return `${layer.name} runs in the VM and may not import the package ${specifier}`;
  }
  const target = withSlashes(relative("/", resolve("/", dirname(from), specifier)));
  const other = layerOf(target);
  if (other === undefined) {
    return layer.node ? undefined : `${layer.name} may not import ${target}, which stands in no layer`;
  }
  if (layer.may.includes(other.name)) return undefined;
  if (layer.mayTypes?.includes(other.name) === true) {
    return typeOnly ? undefined : `${layer.name} may import nothing but types of ${other.name} (${target})`;
  }
  return `${layer.name} may not import ${other.name} (${target})`;
}

/** @type {import("eslint").Rule.RuleModule} */
export const layersRule = {
  meta: {
    type: "problem",
    docs: { description: "imports and globals stay within the layers of docs/ARCHITECTURE.md" },
    schema: [],
    messages: { refused: "{{reason}}." },
  },
  create(context) {
    const path = withSlashes(relative(context.cwd, context.filename));
    const layer = layerOf(path);

    /**
     * @param {import("estree").Node} node
     * @param {string} reason
     */
    const refuse = (node, reason) => {
      context.report({ node, messageId: "refused", data: { reason } });
    };

    /**
     * @param {import("estree").Node} node
     * @param {unknown} specifier
     * @param {boolean} typeOnly
     */
    const check = (node, specifier, typeOnly) => {
      if (typeof specifier !== "string") return;
      const reason = importRefused(path, specifier, typeOnly);
      if (reason !== undefined) refuse(node, reason);
    };

    /**
     * The parser's `import type` and `export type`, which ESTree's own types do not know.
     * @param {object} node
     * @returns {boolean}
     */
    const typeOnly = (node) =>
      ("importKind" in node && node.importKind === "type") || ("exportKind" in node && node.exportKind === "type");

    return {
      ImportDeclaration: (node) => check(node, node.source.value, typeOnly(node)),
      ExportAllDeclaration: (node) => check(node, node.source.value, typeOnly(node)),
      ExportNamedDeclaration: (node) => {
        if (node.source) check(node, node.source.value, typeOnly(node));
      },
      ImportExpression: (node) => {
        if (node.source.type === "Literal") check(node, node.source.value, false);
        else if (layer?.node !== true) refuse(node, "a module of the VM is imported by its literal name");
      },
      "Program:exit": (node) => {
        if (layer === undefined) return;
        const global = context.sourceCode.getScope(node);
        const variables = global.set;
        const used = [
          ...global.through,
          ...[...variables.values()].flatMap((variable) => (variable.defs.length === 0 ? variable.references : [])),
        ];
        for (const { identifier } of used) {
          if (identifier.type !== "Identifier") continue;
          if (!layer.node && nodeGlobals.includes(identifier.name)) {
            refuse(identifier, `${layer.name} runs in the VM, which has no ${identifier.name}`);
          } else if (!layer.host && !layer.node && identifier.name === "host") {
            refuse(identifier, `${layer.name} reaches the machine through ports, not through host`);
          } else if (layer.sys !== true && !layer.node && identifier.name === "sys") {
            refuse(identifier, `${layer.name} is no worker and has no sys`);
          } else if (["core", "ports", "worker"].includes(layer.name)) {
            const input = ambientInput(identifier);
            if (input !== undefined) refuse(identifier, `${layer.name} takes ${input} from a port alone`);
          }
        }
      },
    };
  },
};
