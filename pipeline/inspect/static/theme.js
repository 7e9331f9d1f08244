// Light or dark, in the report and the viewer: as the system is set, until the reader chooses.
"use strict";
{
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const current = () => root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const label = () => { button.textContent = current() === "dark" ? "Light" : "Dark"; };
  try { root.dataset.theme = localStorage.getItem("theme") || ""; } catch { /* storage is off */ }
  if (!root.dataset.theme) delete root.dataset.theme;
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = current() === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* storage is off */ }
    label();
  });
  label();
}
