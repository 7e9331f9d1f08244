// The viewer: tabs, the list of documents, a document as a reader would see it, marks, keys.
import { ask, choice, counted, el, field, figure, later, link, post, say, whole } from "/dom.js";
import { drops, marked, thresholds } from "/panels.js";
import { sequences } from "/windows.js";

const main = document.getElementById("main");
const state = { about: null, query: {}, signals: [], page: 0, listed: [], more: false, total: null, at: -1, document: null };
const TABS = { Documents: documents, Drops: () => drops(main), Thresholds: () => thresholds(main, state.about, open),
               Marks: () => marked(main, state.about, open) };
let view = "Read";

function theme() {
  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    button.textContent = name === "dark" ? "Light" : "Dark";
  };
  let kept = null;
  try { kept = localStorage.getItem("theme"); } catch { /* storage is off */ }
  set(kept || (dark ? "dark" : "light"));
  button.addEventListener("click", () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    set(next);
    try { localStorage.setItem("theme", next); } catch { /* storage is off */ }
  });
}

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
  ask("/api/choices").then((found) => {
    languages.append(...found.languages.map(({ value, count }) =>
      el("option", { value, selected: value === query.language }, `${value} (${whole(count)})`)));
    hosts.append(...found.hosts.map(({ value, count }) => el("option", { value }, whole(count))));
  });
  return [
    el("div", { class: "grid" }, field("Language", languages), text("host", "Domain", { list: "hosts" }), hosts,
      text("images_min", "Images, least", number), text("images_max", "most", number),
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
    const set = (place) => later((event) => { state.signals[at][place] = event.target.value; change(); }, 400);
    const remove = () => { state.signals.splice(at, 1); draw(); change(); };
    return el("div", { class: "range" }, el("span", {}, name.replaceAll("_", " ")),
      el("input", { type: "number", step: "any", value: low, placeholder: "min", "aria-label": `${name}, least`, oninput: set(1) }),
      el("input", { type: "number", step: "any", value: high, placeholder: "max", "aria-label": `${name}, most`, oninput: set(2) }),
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
  const found = await ask("/api/documents", { ...state.query, signal, page: state.page });
  if (mine !== asked || state.tab !== "Documents") return;
  Object.assign(state, { listed: found.documents, more: found.more, total: found.total, at: -1 });
  list();
  const first = at === "last" ? state.listed.length - 1 : at >= 0 ? Math.min(at, state.listed.length - 1) : innerWidth > 900 ? 0 : -1;
  if (state.listed.length && first >= 0) read(first);
  else if (!state.listed.length) document.getElementById("reader").replaceChildren(el("p", { class: "empty" }, "No document is like that."));
}

function list() {
  document.getElementById("side").removeAttribute("aria-busy");
  const from = state.page * 50;
  const shown = state.listed.length ? `${whole(from + 1)}–${whole(from + state.listed.length)}` : "none";
  document.getElementById("total").textContent = state.total === null ? `${shown}, found in texts` : `${shown} of ${counted(state.total, "document")}`;
  document.getElementById("list").replaceChildren(...state.listed.map(item));
  const turn = (by) => () => { state.page += by; load(0); };
  document.getElementById("pages").replaceChildren(
    el("button", { type: "button", disabled: state.page === 0, onclick: turn(-1) }, "Back"),
    el("button", { type: "button", disabled: !state.more, onclick: turn(1) }, "Next"));
}

function item(found, at) {
  const facts = [found.language, counted(Math.round(found.words || 0), "word"), counted(found.images, "image")].filter(Boolean).join(" · ");
  const sorted = state.query.sort && found[state.query.sort] !== undefined ? ` · ${figure(found[state.query.sort])}` : "";
  return el("li", {}, el("button", { type: "button", "data-at": at, onclick: () => read(at) },
    el("b", { dir: "auto" }, found.title || found.url), badge(found.mark), el("small", {}, el("bdi", {}, host(found.url)), ` · ${facts}${sorted}`),
    el("span", { class: "snippet", dir: "auto" }, found.snippet || "")));
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
  const found = await ask(`/api/document/${shard}/${row}`);
  if (state.at !== at) return;
  state.document = found;
  for (const button of document.querySelectorAll("#list button")) button.setAttribute("aria-current", Number(button.dataset.at) === at);
  document.querySelector('#list [aria-current="true"]')?.scrollIntoView({ block: "nearest" });
  main.classList.add("reading");
  draw();
  document.getElementById("reader").scrollTo(0, 0);
  if (innerWidth <= 900) scrollTo(0, 0);
}

function draw() {
  const found = state.document;
  const reader = document.getElementById("reader");
  if (!reader || !found) return;
  const views = { Read: () => reading(found), Sequences: () => sequences(found, state.about), Signals: () => measured(found) };
  const tabs = Object.keys(views).map((name) =>
    el("button", { type: "button", "aria-pressed": name === view, onclick: () => { view = name; draw(); } }, name));
  const marks = ["good", "bad"].map((kind) =>
    el("button", { type: "button", class: kind, "aria-pressed": found.mark === kind, onclick: () => mark(kind) }, kind === "good" ? "Good" : "Bad"));
  const back = el("button", { type: "button", class: "back", onclick: () => main.classList.remove("reading") }, "← List");
  reader.replaceChildren(el("div", { class: "bar" }, back, el("div", { class: "group" }, ...tabs), el("div", { class: "group" }, ...marks)), views[view]());
}

function reading(found) {
  const when = found.crawled_at ? `crawled ${found.crawled_at.slice(0, 10)}` : "";
  const facts = [found.language, counted(found.signals.words || 0, "word"), found.split, when].filter(Boolean).join(" · ");
  return el("article", { class: "page" }, el("h1", { dir: "auto" }, found.title || "Without a title"),
    el("p", { class: "meta" }, link(found.url), el("br"), facts), ...found.nodes.map((node, at) => shownNode(found, node, at)));
}

function shownNode(found, node, at) {
  if (node.text !== undefined) return el("p", { dir: "auto" }, node.text);
  const image = node.image;
  const words = [image.caption, image.alt && image.alt !== image.caption ? `alt: ${image.alt}` : null].filter(Boolean).join(" — ");
  if (!image.shown) return el("p", { class: "missing", dir: "auto" }, `Image not in the dataset: ${image.status}. `, words);
  const picture = el("img", { src: `/image/${found.shard}/${found.row}/${at}`, alt: image.alt || "", width: image.width, height: image.height, loading: "lazy" });
  picture.addEventListener("error", () => picture.replaceWith(el("p", { class: "missing" }, "This image cannot be shown.")));
  return el("figure", {}, picture, words ? el("figcaption", { dir: "auto" }, words) : null);
}

function measured(found) {
  const names = ["document_id", "url", "canonical_url", "crawled_at", "published_at", "language", "language_score", "declared_language",
    "license", "opt_out", "warc_path", "warc_offset", "warc_length", "split"];
  const fact = (name) => el("tr", {}, el("th", { scope: "row" }, name.replaceAll("_", " ")), el("td", {}, el("bdi", {}, Array.isArray(found[name]) ? found[name].join(", ") || "none" : String(found[name] ?? "none"))));
  const rules = Object.values(state.about.rules);
  const signal = (name) => {
    const rule = rules.find((each) => each.signal === name);
    const allowed = rule ? [rule.min !== null ? `at least ${figure(rule.min)}` : "", rule.max !== null ? `at most ${figure(rule.max)}` : ""].filter(Boolean).join(", ") : "";
    return el("tr", {}, el("th", { scope: "row" }, name.replaceAll("_", " ")), el("td", { class: "number" }, figure(found.signals[name])), el("td", { class: "soft" }, allowed));
  };
  return el("div", { class: "facts" }, el("h2", {}, "Where it is from"), el("table", {}, el("tbody", {}, ...names.map(fact))),
    el("h2", {}, "Signals, and what the recipe allows"), el("table", {}, el("tbody", {}, ...Object.keys(found.signals).map(signal))));
}

async function mark(kind) {
  const found = state.document;
  if (!found) return;
  const next = found.mark === kind ? null : kind;
  const { marks } = await post("/api/mark", { document_id: found.document_id, url: found.url, mark: next });
  state.about.marks = marks;
  found.mark = next;
  const listed = state.listed.find((each) => each.document_id === found.document_id);
  if (listed) listed.mark = next;
  list();
  for (const button of document.querySelectorAll("#list button")) button.setAttribute("aria-current", Number(button.dataset.at) === state.at);
  draw();
  say(next ? `Marked ${next}` : "Mark taken back");
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
  k: ["document before", () => step(-1)],
  g: ["mark good, or take it back", () => mark("good")],
  b: ["mark bad, or take it back", () => mark("bad")],
  s: ["read, sequences, signals", () => { const all = ["Read", "Sequences", "Signals"]; view = all[(all.indexOf(view) + 1) % 3]; draw(); }],
  "/": ["search", () => document.getElementById("search").focus()],
  "?": ["these keys", () => help()],
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

theme();
document.getElementById("keys").addEventListener("click", help);
document.getElementById("tabs").append(...Object.keys(TABS).map((name) => el("button", { type: "button", role: "tab", onclick: () => show(name) }, name)));
state.about = await ask("/api/about");
document.getElementById("name").textContent = state.about.name;
document.getElementById("name").title = state.about.dataset;
document.title = `${state.about.name}: m3w view`;
show("Documents");
