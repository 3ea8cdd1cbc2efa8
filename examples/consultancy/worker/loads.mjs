// Whether what was built can be loaded, and does its work.
import { handle } from "./dist/index.js";

const text = await handle("example.json");
if (!text.includes("total 240.00")) {
  console.error(`loads.mjs:6: the worker wrote no total:\n${text}`);
  process.exit(1);
}
console.log(text);
