// The list of weights: searched, filtered and sorted in place. Without scripts it is a table in the order of its names.
const table = document.querySelector("table.weights");
const rows = Array.from(table.tBodies[0].rows);
const form = document.getElementById("filters");
const count = document.getElementById("count");
form.hidden = false;

function apply() {
  const { search, task, data, sort } = Object.fromEntries(new FormData(form));
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = rows.filter((row) => {
    const text = row.textContent.toLowerCase();
    row.hidden = !(words.every((word) => text.includes(word)) && (!task || row.dataset.task === task) && (!data || row.dataset.data === data));
    return !row.hidden;
  });
  const key = (row) => (sort === "name" ? row.dataset.name : Number(row.dataset[sort] || "Infinity"));
  const sign = sort === "figure" || sort === "seeds" ? -1 : 1;
  const order = [...rows].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return sort === "name" ? x.localeCompare(y, "en", { numeric: true }) : sign * (x - y) || a.dataset.name.localeCompare(b.dataset.name);
  });
  table.tBodies[0].append(...order);
  count.textContent = `${shown.length} of ${rows.length}`;
}
form.addEventListener("input", apply);
form.addEventListener("submit", (event) => event.preventDefault());
apply();
