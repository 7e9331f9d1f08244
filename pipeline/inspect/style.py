"""The report's style sheet: light and dark, wide and narrow, and on paper."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --card: #f6f7f8; --ink: #1c1e21; --soft: #5f6670; --rule: #dfe2e6;
  --value: #3b73b9; --kept: #2f855a; --dropped: #c2512f; --passed: #aab1bb;
  --line-0: #2b6cb0; --line-1: #c2512f; --line-2: #2f855a; --line-3: #805ad5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --card: #1e2125; --ink: #e6e8eb; --soft: #9aa2ad; --rule: #33383f;
    --value: #6ea3e0; --kept: #58b386; --dropped: #e5805c; --passed: #5b636e;
    --line-0: #6ea3e0; --line-1: #e5805c; --line-2: #58b386; --line-3: #b197f0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: break-word;
}
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .75rem; padding-top: .9rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 0 0 .15rem; }
p { margin: .35rem 0; }
small, .soft { color: var(--soft); font-size: .86rem; font-weight: 400; }
nav { margin: 1rem 0 0; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; }
a { color: var(--value); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 400; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.tiles div { background: var(--card); border-radius: .5rem; padding: .7rem .9rem; }
.tiles b { display: block; font-size: 1.5rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table.plain { margin: .5rem 0; }
table.plain th, table.plain td {
  padding: .25rem 1.4rem .25rem 0; border-bottom: 1px solid var(--rule); vertical-align: top;
}
table.plain thead th { color: var(--soft); font-size: .86rem; }
.number { text-align: right !important; }
.columns { columns: 25rem; column-gap: 2.75rem; }
.columns > * { break-inside: avoid; margin: 0 0 1.9rem; }
table.bars { width: 100%; table-layout: fixed; }
col.label { width: 34%; } .funnel col.label { width: 44%; } col.count { width: 5.4rem; } col.share { width: 4.3rem; }
.large col.count { width: 8.2rem; }
table.bars th { padding: .14rem .6rem .14rem 0; line-height: 1.25; }
table.bars td { padding: .14rem 0; }
table.bars .count { text-align: right; padding-left: .6rem; white-space: nowrap; }
table.bars .share { text-align: right; color: var(--soft); font-size: .86rem; }
svg.bar { display: block; width: 100%; height: .85rem; }
.value rect { fill: var(--value); } .kept rect { fill: var(--kept); }
.dropped rect { fill: var(--dropped); } .passed rect { fill: var(--passed); }
tr.entered th, tr.entered .count, tr.kept th, tr.kept .count { font-weight: 600; }
tr.entered th, tr.entered td { padding-top: .8rem; }
tr.entered:first-child th, tr.entered:first-child td { padding-top: 0; }
tr.dropped th, tr.passed th { padding-left: 1.1rem; color: var(--soft); }
article { background: var(--card); border-radius: .6rem; padding: 1rem 1.15rem; min-width: 0; }
article .nodes { margin-top: .7rem; padding-top: .4rem; border-top: 1px solid var(--rule); font-size: .93rem; }
article .nodes p { white-space: pre-line; }
figure { margin: .6rem 0; }
figure img { display: block; max-width: 100%; max-height: 13rem; border-radius: .3rem; }
figcaption { color: var(--soft); font-size: .84rem; margin-top: .2rem; }
.missing {
  border: 1px dashed var(--passed); border-radius: .3rem; padding: .35rem .6rem; color: var(--soft); font-size: .86rem;
}
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; }
.curve { max-width: 44rem; } .curve svg { width: 100%; height: auto; }
.curve figcaption { color: var(--ink); font-size: 1rem; font-weight: 600; }
.grid { stroke: var(--rule); stroke-width: 1; }
.tick, .axis { fill: var(--soft); font-size: 12.5px; } .name { font-size: 13px; font-weight: 600; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.line-0 { stroke: var(--line-0); } .name.line-0 { fill: var(--line-0); }
.line.line-1 { stroke: var(--line-1); } .name.line-1 { fill: var(--line-1); }
.line.line-2 { stroke: var(--line-2); } .name.line-2 { fill: var(--line-2); }
.line.line-3 { stroke: var(--line-3); } .name.line-3 { fill: var(--line-3); }
pre {
  background: var(--card); border-radius: .5rem; padding: .9rem 1.1rem; overflow-x: auto;
  font-size: .84rem; line-height: 1.45;
}
@media (max-width: 34rem) {
  body { padding: 1.25rem .9rem 3rem; font-size: 15px; }
  col.label { width: 36%; } .funnel col.label { width: 42%; } col.count { width: 4.8rem; } col.share { width: 4.1rem; }
  .large col.count { width: 7.4rem; }
  table.plain th, table.plain td { padding-right: .8rem; }
  .tick, .axis, .name { font-size: 15px; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); gap: .5rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; } nav { display: none; }
  tr, figure { break-inside: avoid; }
  pre { white-space: pre-wrap; }
}
"""
