// GitHub's own reader of expressions and workflows, as a filter: one JSON question a line, one JSON answer a line.
import {createInterface} from "node:readline";
import {register} from "node:module";

// The packages import JSON in the way of bundlers.
const HOOK = `import {readFileSync} from "node:fs"; import {fileURLToPath} from "node:url";
export const load = (url, context, next) => url.endsWith(".json")
  ? {format: "module", shortCircuit: true, source: "export default " + readFileSync(fileURLToPath(url), "utf8")}
  : next(url, context);`;
register("data:text/javascript," + encodeURIComponent(HOOK));
const {Evaluator, Lexer, Parser, data} = await import("@actions/expressions");
const {NoOperationTraceWriter, convertWorkflowTemplate, parseWorkflow} = await import("@actions/workflow-parser");

const STATUS = {success: [0, 255, true], failure: [0, 255, false], always: [0, 0, true], cancelled: [0, 0, false]};
const FUNCTIONS = Object.entries(STATUS).map(([name, [minArgs, maxArgs, value]]) => ({
  name, minArgs, maxArgs, call: () => new data.BooleanData(value),
}));
FUNCTIONS.push({name: "hashFiles", minArgs: 1, maxArgs: 255, call: () => new data.StringData("h")});

function given(value) {
  if (value === null) return new data.Null();
  if (Array.isArray(value)) return new data.Array(...value.map(given));
  if (typeof value === "boolean") return new data.BooleanData(value);
  if (typeof value === "number") return new data.NumberData(value);
  if (typeof value === "string") return new data.StringData(value);
  return new data.Dictionary(...Object.entries(value).map(([key, one]) => ({key, value: given(one)})));
}

function told(result) {
  switch (result.kind) {
    case data.Kind.Null: return ["null"];
    case data.Kind.Boolean: return ["boolean", result.value];
    case data.Kind.Number: return ["number", Object.is(result.value, -0) ? "0" : String(result.value), result.coerceString()];
    case data.Kind.String: return ["string", result.value];
    case data.Kind.Array: return ["array", result.values().map(told)];
    default: return ["object", result.pairs().map(({key, value}) => [key, told(value)])];
  }
}

function expression({text, contexts}) {
  const names = Object.keys(contexts);
  const functions = new Map(FUNCTIONS.map((one) => [one.name.toLowerCase(), one]));
  const tree = new Parser(new Lexer(text).lex().tokens, names, FUNCTIONS).parse();
  return told(new Evaluator(tree, given(contexts), functions).evaluate());
}

async function workflow({text}) {
  const {context, value} = parseWorkflow({name: "w.yml", content: text}, new NoOperationTraceWriter());
  if (!value) return context.errors.getErrors().map((one) => one.message);
  await convertWorkflowTemplate(context, value);
  return context.errors.getErrors().map((one) => one.message);
}

for await (const line of createInterface({input: process.stdin})) {
  const asked = JSON.parse(line);
  let answer;
  try {
    answer = {value: asked.kind === "workflow" ? await workflow(asked) : expression(asked)};
  } catch (error) {
    answer = {error: String(error.message ?? error)};
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
