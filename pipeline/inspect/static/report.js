// Tables that sort, and values under the pointer. Without it the report reads the same.
const keyOf = (cell) => (cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value));
const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
function sortBy(header, column) {
  const body = header.closest("table").tBodies[0];
  const numeric = header.classList.contains("number");
  const up = header.ariaSort ? header.ariaSort === "descending" : !numeric;
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const rows = [...body.rows].sort((a, b) => compare(keyOf(a.cells[column]), keyOf(b.cells[column])) * (up ? 1 : -1));
  body.append(...rows);
}
for (const table of document.querySelectorAll("table.plain")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    if (table.tBodies[0].rows.length < 2 || !header.textContent) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.replaceChildren(button);
    button.addEventListener("click", () => sortBy(header, column));
  });
}

const tip = document.getElementById("tip");
function show(group, x, y) {
  tip.textContent = group.dataset.tip;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 4))}px`;
  tip.style.top = `${Math.max(4, y - box.height - 10)}px`;
}
for (const group of document.querySelectorAll("[data-tip]")) {
  group.querySelector("title")?.remove(); // else the browser shows it, too, a second later
  group.addEventListener("pointermove", (event) => show(group, event.clientX, event.clientY));
  group.addEventListener("pointerleave", () => { tip.hidden = true; });
}
