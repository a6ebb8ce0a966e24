/** The lint of what a bundle without the network is made of, with the flags as that bundle has them. */
import tseslint from "typescript-eslint";
import base from "./eslint.config.js";

export default tseslint.config(
  ...base,
  { ignores: ["!services/flags/no-net.d.ts"] },
  {
    files: ["services/**/*.ts"],
    languageOptions: { parserOptions: { projectService: false, project: "tsconfig.no-net.json" } },
  },
);
