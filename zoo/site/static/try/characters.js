// Characters: the model continues the text, one character at a time.
import { int64 } from "./onnx.js";
import { guarded, h } from "./page.js";

const LENGTH = 400;

/** The same numbers for the same seed on every machine (mulberry32, Tommy Ettinger 2017). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A place among logits, drawn by softmax(logits / temperature); the likeliest at a temperature of 0. */
export function draw(logits, temperature, next) {
  const most = Math.max(...logits);
  if (temperature === 0) return logits.indexOf(most);
  const powers = Array.from(logits, (logit) => Math.exp((logit - most) / temperature));
  let left = next() * powers.reduce((a, b) => a + b, 0);
  for (const [i, power] of powers.entries()) if ((left -= power) < 0) return i;
  return powers.length - 1;
}

export async function start({ stage, about, run }) {
  const symbols = Array.from(about.input.symbols);
  const places = new Map(symbols.map((symbol, i) => [symbol, i]));
  const box = h("textarea", { id: "prompt", rows: "3" });
  box.value = about.sample ?? "";
  const temperature = h("input", { id: "temperature", type: "range", min: "0", max: "1.5", step: "0.05", value: "0.8" });
  const shown = h("output", { for: "temperature" }, "0.8");
  const seed = h("input", { id: "seed", type: "number", min: "0", step: "1", value: "0" });
  const button = h("button", { type: "button" }, "Write on");
  const answer = h("pre", { class: "answer written", tabindex: "0" });
  const fault = h("p", { class: "error", role: "alert", hidden: true });
  stage.append(
    h("label", { for: "prompt" }, "How the text begins"), box,
    h("p", { class: "row" }, h("label", { for: "temperature" }, "temperature"), temperature, shown, h("label", { for: "seed" }, "seed"), seed, button),
    fault, answer,
  );
  temperature.addEventListener("input", () => { shown.textContent = temperature.value; });

  let writing = 0;
  button.addEventListener("click", () =>
    guarded(fault, async () => {
      if (writing) { writing = 0; return; }
      const strange = [...new Set(Array.from(box.value).filter((symbol) => !places.has(symbol)))];
      if (strange.length) throw new Error(`The model has never seen ${strange.slice(0, 5).map((s) => JSON.stringify(s)).join(", ")}; leave them out.`);
      if (!box.value) throw new Error("Give at least one character to go on from.");
      const turn = (writing = Math.random() + 1);
      const next = random(Number(seed.value) || 0);
      const ids = Array.from(box.value, (symbol) => places.get(symbol));
      answer.textContent = box.value;
      button.textContent = "Stop";
      try {
        for (let i = 0; i < LENGTH && writing === turn; i++) {
          const seen = ids.slice(-about.input.length);
          const { logits } = await run({ tokens: int64(seen, [1, seen.length]) });
          const id = draw(Array.from(logits.data.slice(-symbols.length)), Number(temperature.value), next);
          ids.push(id);
          answer.append(symbols[id]);
          await new Promise((done) => setTimeout(done));
        }
        answer.dataset.state = "done";
      } finally {
        if (writing === turn) writing = 0;
        button.textContent = "Write on";
      }
    }),
  );
}
