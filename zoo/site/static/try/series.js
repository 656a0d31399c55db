// Series: rows of numbers as text, the last ones the model's context; the forecast is drawn after them.
import { float32 } from "./onnx.js";
import { calm, guarded, h, plain, svg } from "./page.js";

export async function start({ stage, about, run }) {
  const { channels, context, horizon } = about.input;
  const box = h("textarea", { id: "rows", rows: "6", class: "mono", spellcheck: "false" });
  box.value = about.sample ? [channels.join(","), ...about.sample.map((row) => row.join(","))].join("\n") : channels.join(",");
  const chosen = h("select", { id: "channel" }, ...channels.map((name, i) => h("option", { value: String(i) }, name)));
  chosen.value = String(channels.length - 1);
  const shift = h("input", { id: "shift", type: "range", min: "0", max: "24", step: "1", value: "0" });
  const picture = h("div", { class: "picture" });
  const answer = h("p", { class: "answer", "aria-live": "polite" });
  const fault = h("p", { class: "error", role: "alert", hidden: true });
  stage.append(
    h("label", { for: "rows" }, `${context} rows or more of ${channels.join(", ")}, oldest first`), box,
    h("p", { class: "row" }, h("label", { for: "channel" }, "drawn"), chosen, h("label", { for: "shift" }, "leave out the last rows"), shift),
    fault, picture, answer,
  );

  const work = () =>
    guarded(fault, async () => {
      const rows = parse(box.value, channels);
      const back = Number(shift.value);
      const end = rows.length - Math.min(back, Math.max(0, rows.length - context));
      const seen = rows.slice(end - context, end);
      if (rows.length < context) throw new Error(`There are ${rows.length} rows, and the model reads ${context}; give more.`);
      const { forecast } = await run({ values: float32(seen.flat(), [1, context, channels.length]) });
      const at = Number(chosen.value);
      const ahead = Array.from({ length: horizon }, (_, t) => forecast.data[t * channels.length + at]);
      const later = rows.slice(end, end + horizon).map((row) => row[at]);
      picture.replaceChildren(drawn(seen.slice(-2 * horizon).map((row) => row[at]), ahead, later, channels[at]));
      answer.textContent = `${channels[at]} in ${horizon} steps: ${plain(ahead[horizon - 1])}`;
      answer.dataset.forecast = JSON.stringify(Array.from(forecast.data));
    });
  const soon = calm(work);
  for (const [place, event] of [[box, "input"], [chosen, "change"], [shift, "input"]]) place.addEventListener(event, soon);
  await work();
}

/** Rows of numbers out of CSV text; a head may name the columns, in any order, with others between them. */
export function parse(text, channels) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  const cells = lines.map((line) => line.split(/[,;\t]/).map((cell) => cell.trim()));
  let places = channels.map((_, i) => i), from = 0;
  if (cells.length && cells[0].some((cell) => cell !== "" && Number.isNaN(Number(cell)))) {
    places = channels.map((name) => cells[0].indexOf(name));
    from = 1;
    const lacking = channels.filter((_, i) => places[i] < 0);
    if (lacking.length) throw new Error(`Line 1 names no column ${lacking.join(", ")}; name them all, or leave the head out.`);
  }
  return cells.slice(from).map((row, i) =>
    places.map((place, channel) => {
      const value = row[place] === "" ? NaN : Number(row[place]);
      if (!Number.isFinite(value)) throw new Error(`Line ${i + from + 1}: ${channels[channel]} is ${JSON.stringify(row[place] ?? "")}, not a number.`);
      return value;
    }),
  );
}

function drawn(before, ahead, later, name) {
  const width = 640, height = 220, edge = 8, all = [...before, ...ahead, ...later];
  const low = Math.min(...all), span = Math.max(...all) - low || 1, count = before.length + ahead.length - 1;
  const point = (value, i) => `${(edge + (i / count) * (width - 2 * edge)).toFixed(1)} ${(height - edge - ((value - low) / span) * (height - 2 * edge)).toFixed(1)}`;
  const path = (values, from) => "M" + values.map((value, i) => point(value, from + i)).join("L");
  const last = before.length - 1;
  const lines = [svg("path", { class: "before", d: path(before, 0) })];
  if (later.length) lines.push(svg("path", { class: "before", d: path([before[last], ...later], last) }));
  lines.push(svg("path", { class: "line", d: path([before[last], ...ahead], last) }));
  return svg("svg", { class: "chart wide", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name} and its forecast` }, ...lines);
}
