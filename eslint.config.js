import js from "@eslint/js";
import tseslint from "typescript-eslint";
import { layersRule } from "./ci/layers.js";

/** Folders that hold sources of ours, so that a stray file elsewhere is not linted by accident. */
const typescript = ["**/*.ts"];
const javascript = ["**/*.js", "**/*.mjs"];

export default tseslint.config(
  // What stands in the other build's place has a lint of its own, eslint.no-net.config.js.
  { ignores: ["out/", "node_modules/", "services/flags/no-net.d.ts"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  {
    files: typescript,
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: "error",
      "no-restricted-syntax": [
        "error",
        { selector: "ExportDefaultDeclaration", message: "Exports are named." },
        { selector: "TSEnumDeclaration", message: "Use a union of literals or an object as const." },
      ],
    },
  },
  {
    files: ["test/**/*.ts"],
    // chai's assertions are property reads.
    rules: { "@typescript-eslint/no-unused-expressions": "off" },
  },
  { files: javascript, languageOptions: { globals: { process: "readonly", console: "readonly" } } },
  {
    files: [...typescript, ...javascript],
    plugins: { cohesix: { rules: { layers: layersRule } } },
    rules: { "cohesix/layers": "error" },
  },
);
