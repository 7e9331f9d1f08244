// Elements, requests to the server, and numbers. Text becomes text nodes; the only HTML is that of our own templates.

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || (value === false && !name.startsWith("aria-"))) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.startsWith("aria-")) made.setAttribute(name, String(value));
    else if (name === "value" || name === "checked") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// HTML of templates/documents.html, where every value is escaped. Scripts in it would not run: the parser marks them as
// done, and the Content-Security-Policy allows no inline script or handler.
export function fragment(html) {
  return [...new DOMParser().parseFromString(html, "text/html").body.childNodes];
}

const note = document.getElementById("note");
export function say(words) {
  note.textContent = words;
  note.hidden = !words;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { note.hidden = true; }, 6000);
}

export async function ask(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of Array.isArray(value) ? value : [value]) if (each !== "" && each !== null) query.append(name, each);
  }
  return answer(await fetch(`${path}?${query}`));
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return answer(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

async function answer(response) {
  const result = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
  if (!response.ok) {
    say(result.error);
    throw new Error(result.error);
  }
  return result;
}

export const whole = (count) => Number(count).toLocaleString("en");
export const counted = (count, word) => `${whole(count)} ${word}${count === 1 ? "" : "s"}`;
export function figure(value) {
  if (value === null || value === undefined) return "none";
  if (Number.isInteger(value)) return whole(value);
  return Math.abs(value) >= 1000 ? whole(Math.round(value)) : String(Number(value.toPrecision(3)));
}
export const percent = (part, all) => (all ? `${((100 * part) / all).toFixed(1)} %` : "0 %");

// A link only if a browser would open a page: not javascript: or data:.
export function link(address) {
  const words = el("bdi", {}, address);
  if (!/^https?:\/\//i.test(address)) return words;
  return el("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, words);
}

export function field(label, input) {
  return el("label", {}, el("span", {}, label), input);
}

export function choice(values, chosen, onchange) {
  const options = values.map(([value, words]) => el("option", { value, selected: value === chosen }, words));
  return el("select", { onchange: (event) => onchange(event.target.value) }, ...options);
}

export function later(run, milliseconds = 250) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), milliseconds);
  };
}
