// Rows of tables: a slider for each number, a choice for each category; the answer moves with them.
import { float32, int64 } from "./onnx.js";
import { bars, calm, guarded, h, plain } from "./page.js";

export async function start({ stage, about, run }) {
  const { numbers, categories } = about.input;
  const row = about.sample ?? {};
  const fields = h("div", { class: "fields" });
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const fault = h("p", { class: "error", role: "alert", hidden: true });
  stage.append(fields, fault, answer);
  const now = calm(work, 60);

  const sliders = Object.entries(numbers).map(([name, column], i) => {
    const value = row[name] == null ? NaN : Number(row[name]);
    const [low, high] = reach(column, value);
    const box = h("input", { id: `n${i}`, type: "number", step: "any", value: Number.isNaN(value) ? "" : String(value) });
    const slider = h("input", { type: "range", min: String(low), max: String(high), step: "any", value: String(Number.isNaN(value) ? low : value), "aria-label": name });
    slider.addEventListener("input", () => { box.value = String(Number(Number(slider.value).toPrecision(4))); now(); });
    box.addEventListener("input", () => { if (box.value !== "") slider.value = box.value; now(); });
    fields.append(h("div", { class: "field" }, h("label", { for: `n${i}` }, name), slider, box));
    return box;
  });
  const choices = Object.entries(categories).map(([name, known], i) => {
    const blank = h("option", { value: "0" }, "(blank)");
    const choice = h("select", { id: `c${i}` }, blank, ...known.map((label, at) => h("option", { value: String(at + 1) }, label)));
    choice.value = String(known.indexOf(written(row[name], known)) + 1);
    choice.addEventListener("change", now);
    fields.append(h("div", { class: "field" }, h("label", { for: `c${i}` }, name), choice));
    return choice;
  });

  function work() {
    return guarded(fault, async () => {
      const values = sliders.map((box) => (box.value === "" ? NaN : Number(box.value)));
      const codes = choices.map((choice) => Number(choice.value));
      const found = await run({ numbers: float32(values, [1, values.length]), categories: int64(codes, [1, codes.length]) });
      if (found.probabilities) { bars(answer, about.labels, Array.from(found.probabilities.data)); return; }
      const value = found.value.data[0];
      const unit = about.input.unit ? ` × ${about.input.unit}` : "";
      answer.replaceChildren(h("p", { class: "figure", "data-value": String(value) }, `${plain(value)}${unit}`));
    });
  }
  await work();
}

/** A category as the weight writes it: numbers in a row may stand for the text of a category, 0.0 for "0". */
function written(value, known) {
  const text = value == null ? "" : String(value);
  return known.includes(text) ? text : known.find((label) => text !== "" && Number(label) === Number(value)) ?? text;
}

/** From where to where a slider goes: about two standard deviations of the training rows, and as far as the sample. */
function reach({ log, mean, std }, value) {
  const back = (x) => (log ? Math.expm1(x) : x);
  const low = Math.min(back(mean - 2.2 * std), Number.isNaN(value) ? Infinity : value);
  const high = Math.max(back(mean + 2.2 * std), Number.isNaN(value) ? -Infinity : value);
  return [Number(low.toPrecision(3)), Number(high.toPrecision(3))];
}
