// The button "Try it here": only when it is pressed are the runtime and the model fetched.
import { h } from "./page.js";

const place = document.getElementById("try");
const button = place.querySelector("button");
button.hidden = false;
button.addEventListener("click", async () => {
  const bar = h("progress", { max: "1", value: "0", "aria-label": "loading" });
  const said = h("p", { class: "note", role: "status" }, "Loading the model: it runs here, nothing that you enter leaves this page.");
  const stage = h("div", { class: "stage" });
  button.replaceWith(bar);
  place.append(said, stage);
  try {
    const base = new URL(place.dataset.base, location.href);
    const about = await (await fetch(new URL("try.json", base))).json();
    const [{ open, fetchChecked }, { start }] = await Promise.all([import("./onnx.js"), import(`./${about.input.kind}.js`)]);
    const run = await open(base, about.files["model.onnx"], (share) => { bar.value = share; });
    const read = async (name) => new TextDecoder().decode(await fetchChecked(base, about.files[name]));
    await start({ stage, about, run, read });
    said.textContent = "The model runs in this browser. Nothing that you enter leaves this page.";
    place.dataset.state = "ready";
  } catch (error) {
    said.className = "error";
    said.textContent = error.message;
    place.dataset.state = "failed";
  } finally {
    bar.remove();
  }
});
