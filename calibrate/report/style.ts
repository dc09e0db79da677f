/** The style sheet of a report: follows the reader's light or dark mode, a narrow screen, and paper. */
export const STYLE = `
:root { color-scheme: light dark; --back: #fff; --ink: #1b1f24; --soft: #59636e; --rule: #d5dae0; --panel: #f5f7f9;
  --s0: #0060a8; --s1: #c44e00; --s2: #00795a; --s3: #a8467f; --s4: #b07a00; --s5: #2f8fc4; --s6: #6b4fa0; --s7: #707070; }
@media (prefers-color-scheme: dark) { :root { --back: #14181d; --ink: #e4e8ec; --soft: #9aa5b1; --rule: #38414b; --panel: #1d232a;
  --s0: #58a9ec; --s1: #f58b45; --s2: #3fc49a; --s3: #e08cbc; --s4: #e6b84a; --s5: #8fd0f5; --s6: #b39ddb; --s7: #a8a8a8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--back); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: .5rem 0; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 2.2rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--rule); font-size: 1.2rem; }
p { max-width: 48rem; margin: .5rem 0; }
.soft, small { color: var(--soft); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .8rem 0; padding: 0; list-style: none; }
a { color: var(--s0); }
.promise { padding: .7rem 1rem; border-left: 4px solid var(--s0); background: var(--panel); }
.warnings li { margin: .3rem 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.2rem; }
figure { margin: 0; padding: .7rem; background: var(--panel); border-radius: 6px; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
figure > svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg text.strong { fill: var(--ink); font-weight: 600; }
.grid { stroke: var(--rule); stroke-width: 1; }
.marker { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 5 3; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.line.again { stroke-dasharray: 2 3; }
.dots { fill: none; stroke-width: 3.4; stroke-linecap: round; opacity: .55; }
.area { stroke: none; fill-opacity: .18; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); } .s2 { stroke: var(--s2); } .s3 { stroke: var(--s3); }
.s4 { stroke: var(--s4); } .s5 { stroke: var(--s5); } .s6 { stroke: var(--s6); } .s7 { stroke: var(--s7); }
.line.s1 { stroke-dasharray: 7 2; } .line.s2 { stroke-dasharray: 2 2; } .line.s3 { stroke-dasharray: 9 2 2 2; }
.line.s4 { stroke-dasharray: 4 2; } .line.s5 { stroke-dasharray: 12 3; } .line.s6 { stroke-dasharray: 1 3; }
.area.s0 { fill: var(--s0); stroke: none; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .4rem 0 0; padding: 0; list-style: none; font-size: .85rem; }
.key { width: 24px; height: 10px; margin-right: .35rem; vertical-align: middle; }
.key .line { stroke-width: 3; }
.scroll { overflow-x: auto; margin: .2rem 0 .8rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.caption { margin: 1.1rem 0 0; color: var(--soft); font-size: .9rem; }
th, td { padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top; unicode-bidi: isolate; }
tbody td { white-space: nowrap; }
thead th { border-bottom: 2px solid var(--rule); font-weight: 600; }
th.label, tbody th { text-align: left; }
tbody th { font-weight: 500; }
.facts td, .facts th, .extremes td, .extremes th { text-align: left; white-space: normal; }
.facts td { overflow-wrap: anywhere; }
.extremes ol { margin: 0; padding-left: 1.4rem; min-width: 8.5rem; }
.extremes img { margin: 1px 0; vertical-align: middle; image-rendering: pixelated; object-fit: contain; }
code { font: .9em ui-monospace, monospace; }
@media (max-width: 40rem) { body { padding: .7rem; } h1 { font-size: 1.3rem; } figure { padding: .4rem; }
  .facts table { font-size: .8rem; } }
@media print { :root { --back: #fff; --ink: #000; --soft: #333; --rule: #bbb; --panel: #fff;
  --s0: #0060a8; --s1: #c44e00; --s2: #00795a; --s3: #a8467f; --s4: #b07a00; --s5: #2f8fc4; --s6: #6b4fa0; --s7: #707070; }
  body { max-width: none; font-size: 10pt; } nav { display: none; } figure, tr { break-inside: avoid; } h2 { break-after: avoid; }
  .charts { grid-template-columns: 1fr 1fr; } .scroll { overflow: visible; } }
`;
