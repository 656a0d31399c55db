// Pictures: drawn, dropped or chosen; scaled as zoo scales them, and answered.
import { uint8 } from "./onnx.js";
import { bars, calm, guarded, h, percent, plain } from "./page.js";

export async function start({ stage, about, run }) {
  const { channels, size: [height, width], maximum } = about.input; // pixels lie in 0..maximum, on the screen in 0..255
  const drawing = channels === 1 && about.draw;
  const shown = h("canvas", { width: "280", height: "280", tabindex: drawing ? "0" : false, class: drawing ? "pad" : "pad still", role: "img", "aria-label": drawing ? "Draw here" : "The picture" });
  const seen = h("canvas", { width: String(width), height: String(height), class: "seen", role: "img", "aria-label": "What the model sees" });
  const file = h("input", { id: "picture", type: "file", accept: "image/png,image/jpeg,image/webp,image/gif,image/bmp" });
  const clear = h("button", { type: "button" }, "Clear");
  const sample = h("button", { type: "button" }, "The sample");
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const fault = h("p", { class: "error", role: "alert", hidden: true });
  stage.append(
    h("p", { class: "note" }, drawing ? "Draw with the mouse or a finger, or choose a picture." : "Drop a picture, or choose one."),
    h("div", { class: "pads" }, shown, h("figure", {}, seen, h("figcaption", {}, `${width} × ${height}: what it sees`))),
    h("p", { class: "row" }, ...(drawing ? [clear] : []), sample, h("label", { for: "picture" }, "picture"), file),
    fault, answer,
  );
  const pen = shown.getContext("2d", { willReadFrequently: true });

  const scaled = (bright) => bright.map((v) => Math.round((v * maximum) / 255));
  async function show(pixels) {
    paint(seen, pixels.map((v) => (v * 255) / maximum), channels);
    const found = await run({ pixels: uint8(pixels, [1, channels, height, width]) });
    respond(answer, about, found);
  }
  const from = (plane, w, h_) => resize(plane, channels, w, h_, width, height);

  const redraw = calm(() =>
    guarded(fault, async () => {
      const box = inked(pen.getImageData(0, 0, 280, 280), about.draw);
      if (box) await show(scaled(box));
    }),
  );
  const wipe = () => { pen.fillStyle = "#000"; pen.fillRect(0, 0, 280, 280); };
  wipe();
  if (drawing) {
    let down = false;
    const at = (event) => { const r = shown.getBoundingClientRect(); return [((event.clientX - r.left) * 280) / r.width, ((event.clientY - r.top) * 280) / r.height]; };
    shown.addEventListener("pointerdown", (event) => { down = true; shown.setPointerCapture(event.pointerId); pen.beginPath(); pen.moveTo(...at(event)); });
    shown.addEventListener("pointermove", (event) => {
      if (!down) return;
      pen.lineWidth = 22; pen.lineCap = pen.lineJoin = "round"; pen.strokeStyle = "#fff";
      pen.lineTo(...at(event)); pen.stroke(); redraw();
    });
    for (const over of ["pointerup", "pointercancel"]) shown.addEventListener(over, () => { down = false; redraw(); });
    clear.addEventListener("click", () => { wipe(); answer.replaceChildren(); seen.getContext("2d").clearRect(0, 0, width, height); });
  }
  const load = (blob) =>
    guarded(fault, async () => {
      const picture = await createImageBitmap(blob, { imageOrientation: "from-image" }).catch(() => { throw new Error("This is not a picture that the browser can read; choose a PNG or JPEG file."); });
      const whole = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
      // Transparent parts become white, or black if the picture could not be seen on white, as in Python.
      const on = (ground) => {
        whole.fillStyle = ground;
        whole.fillRect(0, 0, picture.width, picture.height);
        whole.drawImage(picture, 0, 0);
        return whole.getImageData(0, 0, picture.width, picture.height).data;
      };
      let data = on("#fff");
      if (data.every((value) => value >= 240)) data = on("#000");
      wipe();
      const scale = 280 / Math.max(picture.width, picture.height);
      pen.imageSmoothingEnabled = scale < 1;
      pen.drawImage(picture, (280 - picture.width * scale) / 2, (280 - picture.height * scale) / 2, picture.width * scale, picture.height * scale);
      await show(scaled(from(planes(data, channels), picture.width, picture.height)));
    });
  file.addEventListener("change", () => { if (file.files.length) load(file.files[0]); });
  stage.addEventListener("dragover", (event) => event.preventDefault());
  stage.addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files.length) load(event.dataTransfer.files[0]); });
  const again = () =>
    guarded(fault, async () => {
      const pixels = about.sample.flat(3);
      paint(shown, pixels.map((v) => (v * 255) / maximum), channels, width, height);
      await show(pixels);
    });
  sample.addEventListener("click", again);
  if (about.sample) await again(); else sample.remove();
}

function respond(place, about, found) {
  if (found.probabilities) { bars(place, about.labels, Array.from(found.probabilities.data)); return; }
  if (found.embedding) { neighbours(place, about, Array.from(found.embedding.data)); return; }
  place.replaceChildren(
    h("dl", { class: "tasks" }, ...about.tasks.flatMap(({ name, kind, from, to }) => {
      const values = Array.from(found.logits.data.slice(from, to));
      const [text, value] = said(kind, values);
      return [h("dt", {}, name), h("dd", { "data-task": name, "data-value": String(value) }, text)];
    })),
  );
}

function said(kind, values) {
  if (kind === "classification") { const best = values.indexOf(Math.max(...values)); return [String(best), best]; }
  if (kind === "binary") { const p = 1 / (1 + Math.exp(-values[0])); return [`${p >= 0.5 ? "yes" : "no"} (${percent(p)})`, p]; }
  return [plain(values[0]), values[0]];
}

function neighbours(place, about, point) {
  const distance = (other) => Math.hypot(...other.map((x, i) => x - point[i]));
  const near = (about.gallery ?? []).map((one) => ({ ...one, far: distance(one.embedding) })).sort((a, b) => a.far - b.far).slice(0, 8);
  const { channels, size: [height, width] } = about.input;
  place.replaceChildren(
    h("p", { "data-embedding": JSON.stringify(point) }, near.length ? "The nearest test images:" : `${point.length} numbers: ${point.slice(0, 6).map(plain).join(", ")}, …`),
    h("div", { class: "near" }, ...near.map(({ pixels, label, far }) => {
      const canvas = h("canvas", { width: String(width), height: String(height), role: "img", "aria-label": `a ${label}` });
      paint(canvas, pixels, channels);
      return h("figure", {}, canvas, h("figcaption", {}, `${label} · ${far.toFixed(2)}`));
    })),
  );
}

/** RGBA bytes -> grey by BT.601 luma, or red, green and blue, plane after plane. */
function planes(data, channels) {
  const count = data.length / 4, out = new Float32Array(count * channels);
  for (let i = 0; i < count; i++) {
    const [r, g, b] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    if (channels === 1) out[i] = 0.299 * r + 0.587 * g + 0.114 * b;
    else { out[i] = r; out[count + i] = g; out[2 * count + i] = b; }
  }
  return out;
}

/** Planes of w × h scaled to W × H with a triangle filter that widens as the picture shrinks: torch's antialiased bilinear. */
export function resize(plane, channels, w, h_, W, H) {
  const across = weights(w, W), down = weights(h_, H), out = [];
  for (let c = 0; c < channels; c++) {
    const rows = new Float32Array(h_ * W);
    for (let y = 0; y < h_; y++) for (let x = 0; x < W; x++) {
      let sum = 0;
      for (const [i, share] of across[x]) sum += share * plane[c * w * h_ + y * w + i];
      rows[y * W + x] = sum;
    }
    for (let y = 0; y < H; y++) for (let x = 0; x < W; x++) {
      let sum = 0;
      for (const [i, share] of down[y]) sum += share * rows[i * W + x];
      out.push(sum);
    }
  }
  return out;
}

function weights(from, to) {
  const scale = from / to, reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, at) => {
    const centre = scale * (at + 0.5);
    const first = Math.max(0, Math.floor(centre - reach + 0.5)), end = Math.min(from, Math.floor(centre + reach + 0.5));
    const found = [];
    for (let i = first; i < end; i++) found.push([i, Math.max(0, 1 - Math.abs((i + 0.5 - centre) / reach))]);
    const sum = found.reduce((total, [, share]) => total + share, 0);
    return found.map(([i, share]) => [i, share / sum]);
  });
}

/** What was drawn, put where the training digits lie: scaled into `box` of `size` pixels, its mass in the middle. */
function inked({ data, width, height }, { size, box }) {
  const grey = Float32Array.from({ length: width * height }, (_, i) => data[4 * i]);
  let left = width, right = -1, top = height, bottom = -1;
  grey.forEach((v, i) => {
    if (v < 32) return;
    const x = i % width, y = Math.floor(i / width);
    left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y);
  });
  if (right < 0) return null;
  const w = right - left + 1, h_ = bottom - top + 1, cut = new Float32Array(w * h_);
  for (let y = 0; y < h_; y++) for (let x = 0; x < w; x++) cut[y * w + x] = grey[(y + top) * width + x + left];
  const scale = box / Math.max(w, h_), W = Math.max(1, Math.round(w * scale)), H = Math.max(1, Math.round(h_ * scale));
  const small = resize(cut, 1, w, h_, W, H);
  let mass = 0, mx = 0, my = 0;
  small.forEach((v, i) => { mass += v; mx += v * (i % W); my += v * Math.floor(i / W); });
  const x0 = clamp(Math.round(size / 2 - 0.5 - mx / mass), 0, size - W), y0 = clamp(Math.round(size / 2 - 0.5 - my / mass), 0, size - H);
  const out = Array(size * size).fill(0);
  small.forEach((v, i) => { out[(Math.floor(i / W) + y0) * size + (i % W) + x0] = v; });
  return out;
}

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/** Draws pixels (plane after plane, 0..255) on a canvas, filling it. */
function paint(canvas, pixels, channels, width = canvas.width, height = canvas.height) {
  const count = width * height, image = new ImageData(width, height);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[(channels === 3 ? c : 0) * count + i];
    image.data[4 * i + 3] = 255;
  }
  const small = new OffscreenCanvas(width, height);
  small.getContext("2d").putImageData(image, 0, 0);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, 0, 0, canvas.width, canvas.height);
}
