// Pieces of a page that several tries share.

/** `h("p", {class: "note"}, "text", child)`: an element. Text is text: nothing is ever read as HTML. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export const percent = (share) => `${(100 * share).toFixed(share > 0.0995 && share < 0.9995 ? 1 : 2)} %`;

/** A number with about four digits, as people write it. */
export function plain(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)));
}

function gauge(label, share) {
  const filled = h("span");
  filled.style.width = `${100 * share}%`;
  const now = { "aria-valuemin": "0", "aria-valuemax": "1", "aria-valuenow": share.toFixed(4) };
  return h("span", { class: "gauge", role: "meter", "aria-label": label, ...now }, filled);
}

/** The likeliest five labels as bars. */
export function bars(target, labels, probabilities) {
  const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a]).slice(0, 5);
  target.replaceChildren(
    h(
      "ol",
      { class: "bars" },
      ...order.map((i) =>
        h(
          "li",
          { "data-label": labels[i], "data-probability": String(probabilities[i]) },
          h("span", { class: "label" }, labels[i]),
          gauge(labels[i], probabilities[i]),
          h("span", { class: "share" }, percent(probabilities[i])),
        ),
      ),
    ),
  );
}

/** Calls `work` after the last of a burst of events, never twice at once. */
export function calm(work, wait = 120) {
  let timer, running = false, again = false;
  const go = async () => {
    if (running) { again = true; return; }
    running = true;
    try { await work(); } finally { running = false; }
    if (again) { again = false; go(); }
  };
  return () => { clearTimeout(timer); timer = setTimeout(go, wait); };
}

/** Runs `work` and writes what goes wrong where the visitor looks. */
export async function guarded(place, work) {
  try {
    place.textContent = "";
    place.hidden = true;
    return await work();
  } catch (error) {
    place.hidden = false;
    place.textContent = error.message;
    return undefined;
  }
}
