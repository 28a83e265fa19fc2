// Models of `ziggurat gradient --export` and `ziggurat cam --export` in a browser: onnxruntime-web (WebAssembly, one thread) in headless Chromium, beside
// the numbers of `ziggurat gradient` and `ziggurat cam`. Prints the largest differences, relative to the largest element; the status is 1 if one is above
// 1e-5 and above twice the difference that onnxruntime makes in Python, by its optimizations alone or if the picture changes in its last bits (rounding).
//
// Setting up (any folder outside the repository)
//     npm install onnxruntime-web playwright-core; a Chromium
// Running
//     venv/bin/python tests/peers/exported.py --web FOLDER --ziggurat target/release/ziggurat
//     NODE_MODULES=.../node_modules CHROMIUM=/usr/bin/chromium node tests/peers/web.mjs FOLDER
import { createReadStream, existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const CLOSE = 1e-5;
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const TYPES = { html: "text/html", mjs: "text/javascript", wasm: "application/wasm", json: "application/json" };

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node web.mjs FOLDER");
  process.exit(2);
}
const modules = resolve(process.env.NODE_MODULES ?? "node_modules");
const { chromium } = createRequire(join(modules, "x"))("playwright-core");

// The models and the runtime, for this machine only.
const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
  if (path === "/") {
    response.writeHead(200, { "content-type": TYPES.html }).end("<!doctype html><title>ziggurat</title>");
    return;
  }
  const root = path.startsWith("/ort/") ? join(modules, "onnxruntime-web/dist") : resolve(folder);
  const file = join(root, path.replace(/^\/(ort|models)\//, ""));
  if (!file.startsWith(root) || !existsSync(file)) {
    response.writeHead(404).end();
    return;
  }
  const type = TYPES[file.split(".").pop()] ?? "application/octet-stream";
  response.writeHead(200, { "content-type": type });
  createReadStream(file).pipe(response);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const address = `http://127.0.0.1:${server.address().port}/`;

// What runs in the page.
async function compare() {
  const ort = await import("/ort/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/ort/";
  ort.env.logLevel = "error";
  const tests = await (await fetch("/models/tests.json")).json();
  const numbers = async (name) => new Float32Array(await (await fetch(`/models/${name}.bin`)).arrayBuffer());
  const farthest = (found, expected) => {
    if (found.length !== expected.length) throw new Error(`${found.length} numbers instead of ${expected.length}`);
    let [most, largest] = [0, 0];
    for (let place = 0; place < found.length; place++) {
      const difference = Math.abs(found[place] - expected[place]);
      if (!(difference <= most)) most = difference;
      largest = Math.max(largest, Math.abs(expected[place]));
    }
    return most / largest;
  };
  const results = [];
  for (const test of tests) {
    const tensor = async (what) => new ort.Tensor("float32", await numbers(`${test.name}-${what}`), test.dims[what]);
    const run = async (kind, feeds, output) => {
      const start = performance.now();
      const session = await ort.InferenceSession.create(`/models/${test.name}-${kind}.onnx`);
      const opened = performance.now();
      const found = (await session.run(feeds))[output].data;
      const done = performance.now();
      await session.release();
      return [found, Math.round(opened - start), Math.round(done - opened)];
    };
    const x = await tensor("x");
    const parts = [
      ["gradient", "gradient", { x, "seed/logits": await tensor("seed") }, "grad/x"],
      ["cam", "map", { x, class: new ort.Tensor("int64", BigInt64Array.of(BigInt(test.class)), [1]) }, "heatmap"],
      ["top", "top", { x }, "heatmap"],
    ];
    for (const [kind, expected, feeds, output] of parts) {
      const [found, open, ran] = await run(kind, feeds, output);
      const difference = farthest(found, await numbers(`${test.name}-${expected}`));
      results.push({ network: test.name, kind, difference, rounding: test.rounding[expected], open, run: ran });
    }
  }
  return { version: ort.env.versions?.web ?? ort.env.versions?.common, results };
}

const profile = mkdtempSync(join(tmpdir(), "ziggurat-web-"));
let status = 1;
try {
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: FLAGS,
  });
  const page = await browser.newPage();
  page.on("pageerror", (problem) => console.error(String(problem)));
  page.setDefaultTimeout(0);
  await page.goto(address);
  const { version, results } = await page.evaluate(compare);
  console.log(`Chromium ${browser.browser()?.version() ?? ""}, onnxruntime-web ${version}`);
  const passes = ({ difference, rounding }) => difference <= Math.max(CLOSE, 2 * rounding);
  for (const result of results) {
    const { network, kind, difference, rounding, open, run } = result;
    const numbers = `${difference.toExponential(1)} (rounding ${rounding.toExponential(1)})`;
    console.log(`${network.padEnd(36)} ${kind.padEnd(9)} ${numbers}   opened ${open} ms, ran ${run} ms${passes(result) ? "" : "   too far"}`);
  }
  status = results.every(passes) ? 0 : 1;
  await browser.close();
} finally {
  server.close();
  rmSync(profile, { recursive: true, force: true });
}
process.exit(status);
