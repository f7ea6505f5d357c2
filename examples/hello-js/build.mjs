// Makes tool.wasm. Everything of the JavaScript engine that reaches outside is left out, so that only the handles are imported.
import { readFile, writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const { component } = await componentize(await readFile("hello-js.js", "utf8"), {
  witPath: "wit",
  worldName: "example:hello-js/tool",
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
await writeFile("tool.wasm", component);
