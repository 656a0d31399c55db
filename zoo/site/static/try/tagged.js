// Sentences: split into words as the English Web Treebank is, and each word tagged as it is typed.
import { int64 } from "./onnx.js";
import { calm, guarded, h, percent } from "./page.js";
import { reader, shorten } from "./text.js";
import { clean } from "./clean.js";

const W = "[\\p{L}\\p{N}_]";
const EDGE = `(?!${W})`; // \b after a word: JavaScript's own \b knows only ASCII
const WORD = new RegExp(
  [
    String.raw`(?:https?://|www\.)\S+`,
    String.raw`(?:${W}|[.+-]){1,64}@(?:${W}|-)+(?:\.(?:${W}|-)+)+`,
    String.raw`${W}+(?=n['’]t${EDGE})`,
    String.raw`n['’]t${EDGE}`,
    String.raw`can(?=not${EDGE})`,
    String.raw`['’](?:s|m|d|re|ve|ll)${EDGE}`,
    String.raw`(?:[a-z]\.){2,}`,
    String.raw`(?:mr|mrs|ms|dr|st|ft|sr|jr|inc|corp|co|ltd|vs|etc|no|jan|feb|aug|sept|oct|nov|dec)\.(?=\s)`,
    String.raw`\p{Nd}+(?:[.,:/]\p{Nd}+)*(?:st|nd|rd|th|s)?${EDGE}`,
    String.raw`(?:e|non|pre|mid|anti)-${W}+`,
    String.raw`${W}+(?:\.${W}+)*`,
    String.raw`[:;]-?[()D]`,
    String.raw`[.?!]+`,
    String.raw`([^\p{L}\p{N}_\s])\1*`,
  ].join("|"),
  "giu",
);

/** The words of a sentence; if tabs stand between them they are given already. */
export function split(text) {
  const given = text.split("\t").map((word) => word.trim()).filter(Boolean);
  if (given.length > 1 || (text.endsWith("\t") && !given.some((word) => /\s/.test(word)))) return given;
  return text.match(WORD) ?? [];
}

export async function start({ stage, about, run, read }) {
  const encode = reader(pairs(JSON.parse(await read("tokenizer.json"))));
  const letters = new Map(Array.from(about.input.alphabet, (letter, i) => [letter, i + 2]));
  const box = h("textarea", { id: "sentence", rows: "3", maxlength: "5000" });
  box.value = about.sample ?? "";
  const answer = h("p", { class: "answer tags", "aria-live": "polite" });
  const fault = h("p", { class: "error", role: "alert", hidden: true });
  stage.append(h("label", { for: "sentence" }, "A sentence"), box, fault, answer);

  const work = () =>
    guarded(fault, async () => {
      const words = split(clean(box.value));
      if (!words.length) { answer.replaceChildren(); return; }
      const spelt = words.map((word) =>
        shorten(Array.from(word), about.input.max_characters, "head_tail").map((letter) => letters.get(letter) ?? 1),
      );
      const wide = Math.max(1, ...spelt.map((row) => row.length));
      const characters = spelt.flatMap((row) => [...row, ...Array(wide - row.length).fill(0)]);
      const count = words.length;
      const found = await run({
        words: int64(words.flatMap((word) => encode(word)), [1, count]),
        characters: int64(characters, [1, count, wide]),
        lengths: int64([count], [1]),
      });
      const classes = about.labels.length;
      answer.replaceChildren(
        ...words.flatMap((word, i) => {
          const shares = Array.from(found.probabilities.data.slice(i * classes, (i + 1) * classes));
          const best = shares.indexOf(Math.max(...shares));
          const tag = about.labels[best];
          return [
            h(
              "span",
              { class: "tagged", title: `${tag}, ${percent(shares[best])}`, "data-word": word, "data-label": tag, "data-probability": String(shares[best]) },
              word,
              h("small", {}, tag),
            ),
            " ",
          ];
        }),
      );
    });
  box.addEventListener("input", calm(work));
  await work();
}

/** The tokenizer without its pre-tokenizer, which the library does not know: each word is read by itself. */
function pairs(json) {
  return { ...json, pre_tokenizer: null };
}
