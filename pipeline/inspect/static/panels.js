// Drops, thresholds and marks.
import { ask, choice, counted, el, field, figure, fragment, later, link, percent, svg, whole } from "/dom.js";

export async function drops(main) {
  main.className = "panel";
  main.replaceChildren(el("p", { class: "soft" }, "Reading what was dropped …"));
  const groups = await ask("/api/drops");
  const list = el("ol", { id: "reasons" });
  const shown = el("section", { id: "samples" });
  const pick = (at) => {
    [...list.querySelectorAll("button")].forEach((button, index) => button.setAttribute("aria-current", index === at));
    shown.replaceChildren(...fragment(groups[at].html));
  };
  list.append(...groups.map((group, at) => el("li", {}, el("button", { type: "button", onclick: () => pick(at) },
    el("span", { class: "count" }, `${whole(group.count)} · ${percent(group.share, 1)}`), el("b", {}, group.reason),
    el("small", {}, `${group.cause.replaceAll("_", " ")} · on the way to ${group.step}`)))));
  main.replaceChildren(el("section", { id: "side" }, el("h2", {}, "Dropped, by reason"), list), shown);
  if (groups.length) pick(Math.max(0, groups.findIndex((group) => group.shown)));
  else shown.replaceChildren(el("p", { class: "empty" }, "Nothing was dropped."));
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
  const again = about.measured_again ? " Rules on nodes remove texts first, and signals are then measured again, so counts may differ slightly." : "";
  const source = about.with_dropped ? `All documents that were extracted, including dropped ones.${again}` : "The documents in the dataset. What was dropped is in the run, which is not here.";
  main.replaceChildren(el("section", {}, el("h2", {}, "What would a threshold drop?"), el("p", { class: "soft" }, source),
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
    sliders[name] = el("input", { type: "range", "aria-label": `${name}, slider`, id: `slide-${name}` });
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
    const result = await ask("/api/preview", { rule: name, signal: rule.signal, min: values.min, max: values.max });
    control.span(result.histogram.low, result.histogram.high);
    chart.replaceChildren(histogram(result.histogram, values));
    const tile = (id, words, value) => el("div", {}, el("dt", {}, words), el("dd", { id }, whole(value), el("small", {}, ` ${percent(value, result.documents)}`)));
    counts.replaceChildren(tile("taken-now", "dropped by the recipe's range", result.taken_now), tile("taken", "dropped by this range", result.taken),
      tile("newly-taken", "in the dataset, would be dropped", result.newly_taken), ...(about.with_dropped ? [tile("back", "dropped, would come back", result.back)] : []));
    lists.replaceChildren(listed("Would be dropped", result.examples.newly_taken, open), about.with_dropped ? listed("Would come back", result.examples.back, open) : "");
  };
  const control = bounds(rule, load);
  load(control.values);
  return el("div", {}, control.controls, chart, control.sliders, counts, lists);
}

function listed(title, documents, open) {
  const row = (each) => el("tr", {}, el("td", { class: "number" }, figure(each.value)), el("td", {}, each.kept
    ? el("button", { type: "button", class: "plain", onclick: () => open({ q: each.document_id }) }, el("bdi", {}, each.title || each.url))
    : el("bdi", {}, each.title || each.url), el("br"), el("small", {}, link(each.url))));
  return el("section", {}, el("h3", {}, `${title}: nearest to the threshold first`), documents.length ? el("table", {}, el("tbody", {}, ...documents.map(row))) : el("p", { class: "soft" }, "none"));
}

function histogram(result, values) {
  const [width, height, bottom] = [640, 150, 22];
  const bins = result.kept.length;
  const most = Math.max(1, ...result.kept.map((count, at) => count + result.dropped[at]));
  const x = (value) => Math.max(0, Math.min(width, ((value - result.low) / (result.high - result.low || 1)) * width));
  const bar = (at, from, count, kind) => {
    const words = `${figure(result.low + (at * (result.high - result.low)) / bins)} or more: ${counted(count, "document")} ${kind}`;
    return svg("rect", { class: kind, x: (at * width) / bins + 0.5, width: width / bins - 1, y: height - ((from + count) / most) * height, height: (count / most) * height }, svg("title", {}, words));
  };
  const bars = result.kept.flatMap((count, at) => [bar(at, 0, count, "kept"), bar(at, count, result.dropped[at], "dropped")]);
  const shade = [];
  if (values.min !== null) shade.push(svg("rect", { class: "outside", x: 0, y: 0, width: x(values.min), height }));
  if (values.max !== null) shade.push(svg("rect", { class: "outside", x: x(values.max), y: 0, width: width - x(values.max), height }));
  const ends = [["start", 0, result.low], ["middle", width / 2, (result.low + result.high) / 2], ["end", width, result.high]];
  const labels = ends.map(([anchor, at, value]) => svg("text", { x: at, y: height + 16, "text-anchor": anchor }, figure(value)));
  return svg("svg", { viewBox: `0 0 ${width} ${height + bottom}`, role: "img", "aria-label": "Documents by value; what the range drops is shaded" }, ...bars, ...shade, ...labels);
}

function ofImages(signal) {
  const counts = el("dl", { class: "tiles" });
  const pictures = el("div", { class: "pictures" });
  const load = async (values) => {
    const result = await ask("/api/image-preview", { signal, min: values.min, max: values.max });
    counts.replaceChildren(el("div", {}, el("dt", {}, "different fetched images that this range drops"), el("dd", { id: "taken" }, whole(result.taken), el("small", {}, ` of ${whole(result.images)}, ${percent(result.taken, result.images)}`))));
    pictures.replaceChildren(...result.examples.map((each) => el("figure", {}, each.stored
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
    documents.length ? el("table", {}, el("tbody", {}, ...documents.map(row))) : el("p", { class: "empty" }, "Nothing is marked. In a document, press g for good or b for bad.")));
}
