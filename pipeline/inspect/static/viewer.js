// The viewer: tabs, the list of documents, a document's views, marks, keys.
import { ask, choice, counted, el, field, figure, fragment, later, post, say, whole } from "/dom.js";
import { drops, marked, thresholds } from "/panels.js";
import { sequences } from "/windows.js";

const main = document.getElementById("main");
const state = { about: null, query: {}, signals: [], page: 0, listed: [], more: false, total: null, at: -1, document: null };
const TABS = { Documents: documents, Drops: () => drops(main), Thresholds: () => thresholds(main, state.about, open),
               Marks: () => marked(main, state.about, open) };
let view = "Read";

function show(name) {
  state.tab = name;
  for (const tab of document.querySelectorAll("#tabs button")) tab.setAttribute("aria-selected", tab.textContent === name);
  TABS[name]();
}

// Documents: filters, list, reader.
function documents() {
  const filters = el("details", { id: "filters", open: innerWidth > 900 }, el("summary", {}, "Filter and sort"), ...inputs());
  const search = el("input", { type: "search", id: "search", placeholder: "Text, id or URL", value: state.query.q || "" });
  search.addEventListener("input", later(() => change("q", search.value), 400));
  const side = el("section", { id: "side", "aria-label": "Documents" }, search, filters, el("p", { id: "total", class: "soft" }),
    el("ol", { id: "list" }), el("p", { id: "pages" }));
  main.replaceChildren(side, el("section", { id: "reader", tabindex: "-1", "aria-label": "Document" }));
  main.className = "documents";
  load(state.at);
}

function inputs() {
  const { about, query } = state;
  const text = (name, words, attributes = {}) => {
    const input = el("input", { value: query[name] || "", name, ...attributes });
    input.addEventListener("input", later(() => change(name, input.value), 400));
    return field(words, input);
  };
  const number = { type: "number", min: "0", inputmode: "numeric" };
  const sorts = [["", "as in the dataset"], ...[...about.sorts, ...about.signals].map((name) => [name, name.replaceAll("_", " ")])];
  const marks = [["", "any or none"], ["good", "good"], ["bad", "bad"], ["any", "good or bad"]];
  const splits = [["", "all"], ...about.splits.map((name) => [name, name])];
  const languages = choice([["", "all"]], "", (value) => change("language", value));
  const hosts = el("datalist", { id: "hosts" });
  ask("/api/choices").then((choices) => {
    languages.append(...choices.languages.map(({ value, count }) =>
      el("option", { value, selected: value === query.language }, `${value} (${whole(count)})`)));
    hosts.append(...choices.hosts.map(({ value, count }) => el("option", { value }, whole(count))));
  });
  return [
    el("div", { class: "grid" }, field("Language", languages), text("host", "Domain", { list: "hosts" }), hosts,
      text("images_min", "Images, at least", number), text("images_max", "Images, at most", number),
      field("Split", choice(splits, query.split || "", (value) => change("split", value))),
      field("Mark", choice(marks, query.mark || "", (value) => change("mark", value))),
      field("Sort by", choice(sorts, query.sort || "", (value) => change("sort", value))),
      field("Order", choice([["asc", "lowest first"], ["desc", "highest first"]], query.order || "asc", (value) => change("order", value)))),
    signalFilters(),
  ];
}

function signalFilters() {
  const box = el("div", { id: "ranges" });
  const range = (at) => {
    const [name, low, high] = state.signals[at];
    const set = (bound) => later((event) => { state.signals[at][bound] = event.target.value; change(); }, 400);
    const remove = () => { state.signals.splice(at, 1); draw(); change(); };
    return el("div", { class: "range" }, el("span", {}, name.replaceAll("_", " ")),
      el("input", { type: "number", step: "any", value: low, placeholder: "min", "aria-label": `${name}, at least`, oninput: set(1) }),
      el("input", { type: "number", step: "any", value: high, placeholder: "max", "aria-label": `${name}, at most`, oninput: set(2) }),
      el("button", { type: "button", onclick: remove, "aria-label": `Remove ${name}` }, "×"));
  };
  const add = choice([["", "Add a signal …"], ...state.about.signals.map((name) => [name, name.replaceAll("_", " ")])], "",
    (name) => { if (name) { state.signals.push([name, "", ""]); draw(); } });
  add.setAttribute("aria-label", "Add a signal");
  const draw = () => { add.value = ""; box.replaceChildren(...state.signals.map((_, at) => range(at)), add); };
  draw();
  return box;
}

function change(name, value) {
  if (name) state.query[name] = value;
  state.page = 0;
  load(-1);
}

let asked = 0;
async function load(at) {
  const mine = ++asked;
  document.getElementById("side")?.setAttribute("aria-busy", "true");
  const signal = state.signals.filter(([, low, high]) => low !== "" || high !== "").map((each) => each.join(":"));
  const result = await ask("/api/documents", { ...state.query, signal, page: state.page });
  if (mine !== asked || state.tab !== "Documents") return;
  Object.assign(state, { listed: result.documents, more: result.more, total: result.total, at: -1 });
  list();
  const first = at === "last" ? state.listed.length - 1 : at >= 0 ? Math.min(at, state.listed.length - 1) : innerWidth > 900 ? 0 : -1;
  if (state.listed.length && first >= 0) read(first);
  else if (!state.listed.length) document.getElementById("reader").replaceChildren(el("p", { class: "empty" }, "No document matches."));
}

function list() {
  document.getElementById("side").removeAttribute("aria-busy");
  const from = state.page * 50;
  const shown = state.listed.length ? `${whole(from + 1)}–${whole(from + state.listed.length)}` : "none";
  document.getElementById("total").textContent = state.total === null ? `${shown}, by a search of texts` : `${shown} of ${counted(state.total, "document")}`;
  document.getElementById("list").replaceChildren(...state.listed.map(item));
  const turn = (by) => () => { state.page += by; load(0); };
  document.getElementById("pages").replaceChildren(
    el("button", { type: "button", disabled: state.page === 0, onclick: turn(-1) }, "Back"),
    el("button", { type: "button", disabled: !state.more, onclick: turn(1) }, "Next"));
}

function item(listed, at) {
  const metadata = [listed.language, counted(Math.round(listed.words || 0), "word"), counted(listed.images, "image")].filter(Boolean).join(" · ");
  const sorted = state.query.sort && listed[state.query.sort] !== undefined ? ` · ${figure(listed[state.query.sort])}` : "";
  return el("li", {}, el("button", { type: "button", "data-at": at, onclick: () => read(at) },
    el("b", { dir: "auto" }, listed.title || listed.url), badge(listed.mark), el("small", {}, el("bdi", {}, host(listed.url)), ` · ${metadata}${sorted}`),
    el("span", { class: "snippet", dir: "auto" }, listed.snippet || "")));
}

function host(address) {
  try { return new URL(address).hostname; } catch { return address; }
}

function badge(mark) {
  return mark ? el("span", { class: `badge ${mark}` }, mark) : null;
}

async function read(at) {
  state.at = at;
  const { shard, row } = state.listed[at];
  const opened = await ask(`/api/document/${shard}/${row}`);
  if (state.at !== at) return;
  state.document = opened;
  for (const button of document.querySelectorAll("#list button")) button.setAttribute("aria-current", Number(button.dataset.at) === at);
  document.querySelector('#list [aria-current="true"]')?.scrollIntoView({ block: "nearest" });
  main.classList.add("reading");
  draw();
  document.getElementById("reader").scrollTo(0, 0);
  if (innerWidth <= 900) scrollTo(0, 0);
}

function draw() {
  const shown = state.document;
  const reader = document.getElementById("reader");
  if (!reader || !shown) return;
  const views = { Read: () => fragment(shown.read), Sequences: () => [sequences(shown, state.about)], Signals: () => fragment(shown.signals) };
  const tabs = Object.keys(views).map((name) =>
    el("button", { type: "button", "aria-pressed": name === view, onclick: () => { view = name; draw(); } }, name));
  const marks = ["good", "bad"].map((kind) =>
    el("button", { type: "button", class: kind, "aria-pressed": shown.mark === kind, onclick: () => mark(kind) }, kind === "good" ? "Good" : "Bad"));
  const back = el("button", { type: "button", class: "back", onclick: () => main.classList.remove("reading") }, "← List");
  reader.replaceChildren(el("div", { class: "bar" }, back, el("div", { class: "group" }, ...tabs), el("div", { class: "group" }, ...marks)), ...views[view]());
}

// A dropped image that was never fetched leaves no gap; an image of the document leaves a word.
document.addEventListener("error", ({ target }) => {
  if (target.closest(".drop")) target.remove();
  else if (target.closest(".document")) target.replaceWith(el("p", { class: "missing" }, "This image cannot be shown."));
}, true);

async function mark(kind) {
  const shown = state.document;
  if (!shown) return;
  const next = shown.mark === kind ? null : kind;
  const { marks } = await post("/api/mark", { document_id: shown.document_id, url: shown.url, mark: next });
  state.about.marks = marks;
  shown.mark = next;
  const listed = state.listed.find((each) => each.document_id === shown.document_id);
  if (listed) listed.mark = next;
  list();
  for (const button of document.querySelectorAll("#list button")) button.setAttribute("aria-current", Number(button.dataset.at) === state.at);
  draw();
  say(next ? `Marked ${next}` : "Mark removed");
}

function open(query) {
  state.query = query;
  state.signals = [];
  state.page = 0;
  state.at = 0;
  view = "Read";
  show("Documents");
}

function step(by) {
  const next = state.at + by;
  if (next >= 0 && next < state.listed.length) read(next);
  else if (by > 0 && state.more) { state.page += 1; load(0); }
  else if (by < 0 && state.page > 0) { state.page -= 1; load("last"); }
}

const KEYS = {
  j: ["next document", () => step(1)],
  k: ["previous document", () => step(-1)],
  g: ["mark good, or remove the mark", () => mark("good")],
  b: ["mark bad, or remove the mark", () => mark("bad")],
  s: ["read, sequences, signals", () => { const all = ["Read", "Sequences", "Signals"]; view = all[(all.indexOf(view) + 1) % 3]; draw(); }],
  "/": ["search", () => document.getElementById("search").focus()],
  "?": ["show these keys", () => help()],
};

function help() {
  const box = document.getElementById("help");
  const rows = Object.entries(KEYS).map(([key, [words]]) => el("tr", {}, el("th", {}, el("kbd", {}, key)), el("td", {}, words)));
  box.replaceChildren(el("h2", {}, "Keys"), el("table", {}, el("tbody", {}, ...rows)), el("button", { type: "button", onclick: () => box.close() }, "Close"));
  box.showModal();
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, dialog");
  if (event.key === "Escape" && typing) event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  if (state.tab !== "Documents" && event.key !== "?") return;
  event.preventDefault();
  KEYS[event.key][1]();
});

document.getElementById("keys").addEventListener("click", help);
document.getElementById("tabs").append(...Object.keys(TABS).map((name) => el("button", { type: "button", role: "tab", onclick: () => show(name) }, name)));
state.about = await ask("/api/about");
document.getElementById("name").textContent = state.about.name;
document.getElementById("name").title = state.about.dataset;
document.title = `${state.about.name}: m3w view`;
show("Documents");
