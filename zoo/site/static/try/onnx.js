// One ONNX file in the visitor's browser: fetched with progress, checked by its SHA-256, run on one thread of WebAssembly.
import * as ort from "../runtime/ort.wasm.min.mjs";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = new URL("../runtime/", import.meta.url).href;
ort.env.logLevel = "error";

/** The bytes of `file` ({name, size, sha256}), `tell(share)` being called on the way; throws if they are other bytes. */
export async function fetchChecked(base, file, tell = () => {}) {
  const response = await fetch(new URL(file.name, base));
  if (!response.ok) throw new Error(`${file.name} cannot be fetched (${response.status}); reload the page.`);
  const bytes = new Uint8Array(file.size);
  const reader = response.body.getReader();
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (length + value.length > file.size) throw new Error(`${file.name} is longer than it should be; reload the page.`);
    bytes.set(value, length);
    length += value.length;
    tell(length / file.size);
  }
  if (length !== file.size) throw new Error(`${file.name} ended early; reload the page.`);
  if (crypto.subtle) {
    // A page that is served without https from another machine has no crypto.subtle.
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== file.sha256) throw new Error(`${file.name} is not the published file: its SHA-256 differs.`);
  }
  return bytes;
}

/** A function from named inputs ({name: [dtype, values, shape]}) to named outputs ({name: {data, dims}}). */
export async function open(base, file, tell) {
  const session = await ort.InferenceSession.create(await fetchChecked(base, file, tell), {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
  let last = Promise.resolve();
  return (inputs) => {
    const feeds = {};
    for (const [name, [dtype, values, shape]] of Object.entries(inputs)) {
      if (session.inputNames.includes(name)) feeds[name] = new ort.Tensor(dtype, values, shape);
    }
    // One run at a time: the session has one memory.
    last = last.catch(() => {}).then(() => session.run(feeds));
    return last;
  };
}

export const int64 = (values, shape) => ["int64", BigInt64Array.from(values, BigInt), shape];
export const float32 = (values, shape) => ["float32", Float32Array.from(values), shape];
export const uint8 = (values, shape) => ["uint8", Uint8Array.from(values), shape];
