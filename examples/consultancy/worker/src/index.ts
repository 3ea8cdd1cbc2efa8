/** `node dist/index.js FILE`: reads an invoice of the site, writes it as text. */
import { readFile } from "node:fs/promises";
import { argv, stdout } from "node:process";
import { pathToFileURL } from "node:url";
import { type Invoice, written } from "./invoice.js";

export async function handle(file: string): Promise<string> {
  const invoice: Invoice = JSON.parse(await readFile(file, "utf8"));
  return written(invoice);
}

const file = argv[2];
if (file !== undefined && import.meta.url === pathToFileURL(argv[1] ?? "").href) {
  stdout.write(await handle(file));
}
