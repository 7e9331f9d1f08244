// What was dropped, what a threshold would take, and what was marked.
import { ask, choice, counted, el, field, figure, later, link, percent, svg, whole } from "/dom.js";

export async function drops(main) {
  main.className = "panel";
  main.replaceChildren(el("p", { class: "soft" }, "Reading what was dropped …"));
  const found = await ask("/api/drops");
  const list = el("ol", { id: "reasons" });
  const shown = el("section", { id: "samples" });
  const pick = (at) => {
    [...list.querySelectorAll("button")].forEach((button, place) => button.setAttribute("aria-current", place === at));
    shown.replaceChildren(...samples(found[at]));
  };
  list.append(...found.map((group, at) => el("li", {}, el("button", { type: "button", onclick: () => pick(at) },
    el("span", { class: "count" }, `${whole(group.count)} · ${percent(group.share, 1)}`), el("b", {}, group.reason),
    el("small", {}, `${group.cause.replaceAll("_", " ")} · on the way to ${group.step}`)))));
  main.replaceChildren(el("section", { id: "side" }, el("h2", {}, "Dropped, by reason"), list), shown);
  if (found.length) pick(Math.max(0, found.findIndex((group) => group.examples.length)));
  else shown.replaceChildren(el("p", { class: "empty" }, "Nothing was dropped."));
}

function samples(group) {
  const none = "No samples of this were kept. drops.keep_per_reason in the recipe says how many are; rows of an index that are not selected, none.";
  return [el("h2", {}, group.reason), el("p", { class: "soft" }, `${whole(group.count)} dropped, ${whole(group.examples.length)} shown`),
    ...(group.examples.length ? group.examples.map(sample) : [el("p", { class: "missing" }, none)])];
}

function sample(drop) {
  return el("article", { class: "drop" }, drop.threshold ? el("p", { class: "threshold" }, drop.threshold) : null,
    el("p", { class: "meta" }, link(drop.url), drop.image_url ? el("br") : null, drop.image_url ? el("bdi", {}, `image: ${drop.image_url.slice(0, 300)}`) : null),
    drop.image_url && !["opted_out", "forbidden"].includes(drop.reason) ? picture(drop.image_url) : null,
    drop.text ? el("div", { class: "text", dir: "auto" }, drop.text) : null);
}

// What was fetched and then dropped lies in the run's store; what was never fetched leaves no gap.
function picture(address) {
  const shown = el("img", { src: `/fetched-image?url=${encodeURIComponent(address)}`, alt: "", loading: "lazy" });
  shown.addEventListener("error", () => shown.remove());
  return shown;
}

// Thresholds.
export function thresholds(main, about, open) {
  main.className = "panel single";
  const names = Object.keys(about.rules);
  const options = [...names.map((name) => [`rule:${name}`, `rule ${name}`]), ...about.signals.map((name) => [`signal:${name}`, `signal ${name.replaceAll("_", " ")}`]),
    ...about.image_signals.map((name) => [`image:${name}`, `images: ${name.replaceAll("_", " ")}`])];
  const box = el("div", { id: "preview" });
  const pick = (value) => {
    const [kind, name] = [value.slice(0, value.indexOf(":")), value.slice(value.indexOf(":") + 1)];
    const rule = kind === "rule" ? about.rules[name] : { signal: name, min: null, max: null };
    box.replaceChildren(kind === "image" ? ofImages(name) : ofDocuments(kind === "rule" ? name : "", rule, about, open));
  };
  const again = about.measured_again ? " Rules on nodes take texts out first and signals are then measured again, so counts may differ a little." : "";
  const source = about.with_dropped ? `Over all documents that were extracted, dropped ones among them.${again}` : "Over the documents in the dataset: what was dropped lies in the run, which is not here.";
  main.replaceChildren(el("section", {}, el("h2", {}, "What would a threshold take?"), el("p", { class: "soft" }, source),
    el("div", { class: "controls" }, field("Rule or signal", choice(options, options[0][0], pick))), box));
  pick(options[0][0]);
}

function bounds(rule, load) {
  const values = { min: rule.min, max: rule.max };
  const box = {};
  const sliders = {};
  const set = (name, value) => { values[name] = value === "" ? null : Number(value); };
  for (const name of ["min", "max"]) {
    box[name] = el("input", { type: "number", step: "any", value: values[name] ?? "", id: `bound-${name}`, placeholder: "none" });
    box[name].addEventListener("input", later(() => { set(name, box[name].value); load(values); }));
    sliders[name] = el("input", { type: "range", "aria-label": `${name}, by sliding`, id: `slide-${name}` });
    sliders[name].addEventListener("input", later(() => {
      const edge = name === "min" ? sliders[name].min : sliders[name].max;
      set(name, sliders[name].value === edge ? "" : sliders[name].value);
      box[name].value = values[name] === null ? "" : figure(values[name]).replaceAll(",", "");
      load(values);
    }, 120));
  }
  const span = (low, high) => {
    for (const name of ["min", "max"]) {
      Object.assign(sliders[name], { min: String(low), max: String(high), step: String((high - low) / 240 || 1) });
      sliders[name].value = String(values[name] ?? (name === "min" ? low : high));
    }
  };
  const controls = el("div", { class: "controls" }, field("at least", box.min), field("at most", box.max));
  return { values, span, controls, sliders: el("div", { class: "sliders" }, sliders.min, sliders.max) };
}

function ofDocuments(name, rule, about, open) {
  const counts = el("dl", { class: "tiles" });
  const chart = el("div", { class: "chart" });
  const lists = el("div", { class: "lists" });
  const load = async (values) => {
    const found = await ask("/api/preview", { rule: name, signal: rule.signal, min: values.min, max: values.max });
    control.span(found.histogram.low, found.histogram.high);
    chart.replaceChildren(histogram(found.histogram, values));
    const tile = (id, words, value) => el("div", {}, el("dt", {}, words), el("dd", { id }, whole(value), el("small", {}, ` ${percent(value, found.documents)}`)));
    counts.replaceChildren(tile("taken-now", "taken by the recipe's range", found.taken_now), tile("taken", "taken by this range", found.taken),
      tile("newly-taken", "in the dataset now, would go", found.newly_taken), ...(about.with_dropped ? [tile("back", "dropped now, would come back", found.back)] : []));
    lists.replaceChildren(listed("Would go", found.examples.newly_taken, open), about.with_dropped ? listed("Would come back", found.examples.back, open) : "");
  };
  const control = bounds(rule, load);
  load(control.values);
  return el("div", {}, control.controls, chart, control.sliders, counts, lists);
}

function listed(title, documents, open) {
  const row = (each) => el("tr", {}, el("td", { class: "number" }, figure(each.value)), el("td", {}, each.kept
    ? el("button", { type: "button", class: "plain", onclick: () => open({ q: each.document_id }) }, el("bdi", {}, each.title || each.url))
    : el("bdi", {}, each.title || each.url), el("br"), el("small", {}, link(each.url))));
  return el("section", {}, el("h3", {}, `${title}: the nearest to the threshold`), documents.length ? el("table", {}, el("tbody", {}, ...documents.map(row))) : el("p", { class: "soft" }, "none"));
}

function histogram(found, values) {
  const [width, height, bottom] = [640, 150, 22];
  const bins = found.kept.length;
  const most = Math.max(1, ...found.kept.map((count, at) => count + found.dropped[at]));
  const x = (value) => Math.max(0, Math.min(width, ((value - found.low) / (found.high - found.low || 1)) * width));
  const bar = (at, from, count, kind) => {
    const said = `${figure(found.low + (at * (found.high - found.low)) / bins)} and more: ${counted(count, "document")} ${kind}`;
    return svg("rect", { class: kind, x: (at * width) / bins + 0.5, width: width / bins - 1, y: height - ((from + count) / most) * height, height: (count / most) * height }, svg("title", {}, said));
  };
  const bars = found.kept.flatMap((count, at) => [bar(at, 0, count, "kept"), bar(at, count, found.dropped[at], "dropped")]);
  const shade = [];
  if (values.min !== null) shade.push(svg("rect", { class: "outside", x: 0, y: 0, width: x(values.min), height }));
  if (values.max !== null) shade.push(svg("rect", { class: "outside", x: x(values.max), y: 0, width: width - x(values.max), height }));
  const ends = [["start", 0, found.low], ["middle", width / 2, (found.low + found.high) / 2], ["end", width, found.high]];
  const labels = ends.map(([anchor, at, value]) => svg("text", { x: at, y: height + 16, "text-anchor": anchor }, figure(value)));
  return svg("svg", { viewBox: `0 0 ${width} ${height + bottom}`, role: "img", "aria-label": "Documents by value; shaded is what the range takes" }, ...bars, ...shade, ...labels);
}

function ofImages(signal) {
  const counts = el("dl", { class: "tiles" });
  const pictures = el("div", { class: "pictures" });
  const load = async (values) => {
    const found = await ask("/api/image-preview", { signal, min: values.min, max: values.max });
    counts.replaceChildren(el("div", {}, el("dt", {}, "of different images that were fetched, taken"), el("dd", { id: "taken" }, whole(found.taken), el("small", {}, ` of ${whole(found.images)}, ${percent(found.taken, found.images)}`))));
    pictures.replaceChildren(...found.examples.map((each) => el("figure", {}, each.stored
      ? el("img", { src: `/fetched-image?url=${encodeURIComponent(each.url)}`, alt: "", loading: "lazy" }) : el("p", { class: "missing" }, "not stored"),
      el("figcaption", {}, `${figure(each.value)} · ${each.width} × ${each.height}`, el("br"), el("bdi", {}, each.url.slice(0, 120))))));
  };
  const control = bounds({ min: null, max: null }, load);
  load(control.values);
  return el("div", {}, control.controls, counts, pictures);
}

// Marks.
export async function marked(main, about, open) {
  main.className = "panel single";
  const { documents } = await ask("/api/documents", { mark: "any" });
  const row = (each) => el("tr", {}, el("td", {}, el("span", { class: `badge ${each.mark}` }, each.mark)),
    el("td", {}, el("button", { type: "button", class: "plain", onclick: () => open({ q: each.document_id }) }, el("bdi", {}, each.title || each.url)), el("br"), el("small", {}, link(each.url))));
  main.replaceChildren(el("section", {}, el("h2", {}, "Marks"),
    el("p", {}, `${counted(about.marks.good, "document")} good, ${whole(about.marks.bad)} bad; kept in `, el("code", {}, about.marks_file), "."),
    el("p", {}, el("a", { href: "/marks.jsonl", download: "marks.jsonl" }, "JSON lines"), " ", el("a", { href: "/marks.csv", download: "marks.csv" }, "CSV")),
    documents.length ? el("table", {}, el("tbody", {}, ...documents.map(row))) : el("p", { class: "empty" }, "Nothing is marked. In a document, g marks it good and b bad.")));
}
