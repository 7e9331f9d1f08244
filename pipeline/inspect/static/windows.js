// A document's sequences and training windows: each token is underlined in the colour of the image it attends to.
import { ask, choice, counted, el, field, later, whole } from "/dom.js";

export function sequences(shown, about) {
  const box = el("div", { class: "sequences" }, el("p", { class: "soft" }, "Reading the sequences …"));
  ask(`/api/sequences/${shown.document_id}`).then((all) => {
    if (!all.length) return box.replaceChildren(el("p", { class: "empty" }, "This document has no sequence: no text stands beside its images."));
    const pick = choice(all.map(({ key, images }, at) => [String(at), `${key.split("-").at(-1)} · ${counted(images, "image")}`]), "0", (at) => one(all[at]));
    const view = el("div");
    const one = (sequence) => view.replaceChildren(about.windows ? windowOf(sequence) : wholeSequence(sequence));
    box.replaceChildren(el("div", { class: "controls" }, field(`${counted(all.length, "sequence")}; this is`, pick)), view);
    one(all[0]);
  });
  return box;
}

function picture(sequence, number) {
  return el("img", { src: `/sequence-image/${sequence.key}/${number}`, alt: `Image ${number + 1} of the sequence`, loading: "lazy" });
}

function wholeSequence(sequence) {
  let image = 0;
  return el("div", { class: "document nodes" }, ...sequence.texts.map((text) => (text === null ? el("figure", {}, picture(sequence, image++)) : el("p", { dir: "auto" }, text))));
}

function windowOf(sequence) {
  const asked = { start: 0, tokens: 256, next: 0 };
  const start = el("input", { type: "range", min: "0", max: "0", value: "0", id: "start" });
  const tokens = el("input", { type: "number", min: "16", max: "4096", value: "256", id: "tokens" });
  const next = choice([["0", "the image before it"], ["1", "the image after it"]], "0", (value) => { asked.next = value; load(); });
  const where = el("p", { class: "soft", id: "where" });
  const text = el("p", { class: "tokens", dir: "auto" });
  const strip = el("div", { class: "strip" });
  const load = async () => {
    const cut = await ask(`/api/window/${sequence.key}`, asked);
    start.max = String(Math.max(0, cut.total - asked.tokens));
    const images = new Set(cut.phi.filter(Boolean)).size;
    where.textContent = `Tokens ${whole(cut.start)} to ${whole(cut.start + cut.pieces.length)} of ${whole(cut.total)} · ${counted(images, "image")} attended to · `
      + `${whole(cut.masked.filter(Boolean).length)} without loss · ${cut.tokenizer}`;
    text.replaceChildren(...tokensOf(sequence, cut));
    strip.replaceChildren(...legend(sequence, cut));
  };
  start.addEventListener("input", later(() => { asked.start = Number(start.value); load(); }, 120));
  tokens.addEventListener("input", later(() => { asked.tokens = Number(tokens.value) || 256; load(); }));
  load();
  return el("div", { class: "window" }, el("div", { class: "controls" }, field("First token", start), field("Tokens", tokens), field("Text attends to", next)), where, strip, text);
}

function legend(sequence, cut) {
  const shown = Math.max(0, ...cut.phi);
  const images = Array.from({ length: shown }, (_, at) =>
    el("figure", { class: `phi-${(at % 5) + 1}` }, picture(sequence, cut.first_image + at), el("figcaption", {}, `image ${at + 1}`)));
  return [...images, el("p", { class: "soft" }, "A token is underlined in the colour of the image it attends to; without a line it attends to none. Struck through: no loss.")];
}

function tokensOf(sequence, cut) {
  return cut.pieces.map((piece, at) => {
    const image = cut.phi[at];
    const words = `token ${cut.start + at}: ${image ? `attends to image ${image}` : "attends to no image"}${cut.masked[at] ? ", no loss" : ""}`;
    const special = piece.startsWith("<") && piece.endsWith(">") && piece.length > 2;
    return el("span", { class: `token phi-${image ? ((image - 1) % 5) + 1 : 0}${cut.masked[at] ? " masked" : ""}${special ? " special" : ""}`, title: words }, piece);
  });
}
