// Texts: typed, and answered as they are typed; if the model attends, words are marked by their attention.
import { int64 } from "./onnx.js";
import { bars, calm, guarded, h, percent } from "./page.js";
import { Tokenizer } from "../runtime/tokenizers.min.mjs";
import { clean } from "./clean.js";

/** The items that are kept of a long text: from its start, its end, or both, as the weight was trained. */
export function shorten(items, length, truncate) {
  if (items.length <= length) return items;
  const head = { head: length, tail: 0, head_tail: length - Math.floor(length / 2) }[truncate];
  return [...items.slice(0, head), ...items.slice(items.length - (length - head))];
}

export function reader(json) {
  const tokenizer = new Tokenizer(json, {});
  const unknown = json.model.vocab[json.model.unk_token]; // the library gives `undefined` for a word that it does not know
  return (text) => tokenizer.encode(text, { add_special_tokens: false }).ids.map((id) => id ?? unknown);
}

const WORDS = /[\p{L}\p{M}\p{N}\p{Pc}]+(?:['’][\p{L}\p{M}\p{N}\p{Pc}]+)*|[^\p{L}\p{M}\p{N}\p{Pc}\s]/gu;

export async function start({ stage, about, run, read }) {
  const encode = reader(JSON.parse(await read("tokenizer.json")));
  const box = h("textarea", { id: "text", rows: "4", maxlength: "20000" });
  box.value = about.sample ?? "";
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const words = h("p", { class: "words" });
  const fault = h("p", { class: "error", role: "alert", hidden: true });
  stage.append(h("label", { for: "text" }, "A text"), box, fault, answer, words);

  const work = () =>
    guarded(fault, async () => {
      const text = clean(box.value);
      const all = encode(text);
      if (!all.length) { answer.replaceChildren(); words.replaceChildren(); return; }
      const ids = shorten(all, about.input.max_length, about.input.truncate);
      const found = await run({ tokens: int64(ids, [1, ids.length]), lengths: int64([ids.length], [1]) });
      bars(answer, about.labels, Array.from(found.probabilities.data));
      if (found.attention) attended(words, text, all.length, ids.length, about.input, Array.from(found.attention.data));
    });
  box.addEventListener("input", calm(work));
  await work();
}

function attended(place, text, count, kept, input, shares) {
  const written = text.replace(/<br\s*\/?>/g, " ").match(WORDS) ?? [];
  if (written.length !== count) { place.replaceChildren(); return; } // characters that the tokenizer splits, such as ½
  const places = shorten(written.map((_, i) => i), input.max_length, input.truncate);
  const weights = new Map(places.map((at, i) => [at, shares[i]]));
  const most = Math.max(...shares.slice(0, kept), 1e-9);
  place.replaceChildren(
    "What it looked at: ",
    ...written.flatMap((word, at) => {
      const weight = weights.get(at) ?? 0;
      const level = Math.round((8 * weight) / most);
      return [h("mark", { class: `a${level}`, title: percent(weight), "data-weight": String(weight) }, word), " "];
    }),
  );
}
