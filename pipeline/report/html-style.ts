/** How the report looks: light and dark after the reader's system, and on paper. Colours reach WCAG AA on both. */
export const style = `
:root{color-scheme:light dark;--bg:#fff;--panel:#f6f7f9;--ink:#1a1e26;--muted:#596273;--line:#e1e4ea;--strong:#c9ced8;
--accent:#2b5cc8;--accent-soft:#dbe5fb;--previous:#a9b1c0;--good:#17734a;--good-soft:#daf1e5;--bad:#b3261e;--bad-soft:#fbe2e0;
--warn:#8a5a00;--waived:#d9a13b;--warn-soft:#fbeccb}
@media screen and (prefers-color-scheme:dark){:root{--bg:#11141a;--panel:#191d25;--ink:#e8ebf1;--muted:#9ba5b6;--line:#2a303b;--strong:#3d4552;
--accent:#86abff;--accent-soft:#1d2c4f;--previous:#626c7d;--good:#5bcf9a;--good-soft:#143527;--bad:#ff8a80;--bad-soft:#46201d;
--warn:#e9b949;--waived:#e9b949;--warn-soft:#3c2f10}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
-webkit-text-size-adjust:100%;font-variant-numeric:tabular-nums}
main,header.top,footer{max-width:1120px;margin:0 auto;padding:0 32px}
code,.mono{font:0.88em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
a{color:var(--accent)}
h1,h2,h3,p,dl,dd,figure{margin:0}
h2{font-size:21px;letter-spacing:-.01em;margin:56px 0 4px;padding-top:20px;border-top:1px solid var(--line)}
h2+p.lead{color:var(--muted);margin-bottom:20px;max-width:80ch}
h3{font-size:16px}
.muted{color:var(--muted)}.small{font-size:13px}.nowrap{white-space:nowrap}
.badge{display:inline-block;padding:1px 9px;border-radius:99px;font-size:12.5px;font-weight:600;line-height:1.6;white-space:nowrap;
background:var(--panel);color:var(--muted);border:1px solid var(--line)}
.badge.good{background:var(--good-soft);color:var(--good);border-color:transparent}
.badge.bad{background:var(--bad-soft);color:var(--bad);border-color:transparent}
.badge.warn{background:var(--warn-soft);color:var(--warn);border-color:transparent}
.badge.accent{background:var(--accent-soft);color:var(--accent);border-color:transparent}
/* top */
header.top{padding-top:44px}
.kicker{display:flex;gap:10px;align-items:center;color:var(--muted);font-size:14px;flex-wrap:wrap}
.kicker .mark{font-weight:700;color:var(--ink);letter-spacing:-.01em}
h1{font-size:34px;line-height:1.2;letter-spacing:-.022em;margin:14px 0 8px;max-width:26em;text-wrap:balance}
header.top .why{font-size:17px;color:var(--muted);max-width:75ch}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:12px;margin:28px 0 24px}
.tile{background:var(--panel);border:1px solid var(--line);border-radius:12px;padding:14px 16px}
.tile .label{font-size:13px;color:var(--muted)}
.tile .value{font-size:25px;font-weight:650;letter-spacing:-.02em;line-height:1.3}
.tile .value.good{color:var(--good)}.tile .value.bad{color:var(--bad)}.tile .value.warn{color:var(--warn)}
.tile .note{font-size:13px;color:var(--muted)}
dl.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:0 40px}
dl.facts>div{display:grid;grid-template-columns:118px 1fr;gap:12px;padding:7px 0;border-bottom:1px solid var(--line);align-items:baseline}
dl.facts>div.wide{grid-column:1/-1}
dl.facts dt{color:var(--muted);font-size:13.5px}
dl.facts dd{overflow-wrap:anywhere}
/* timeline */
.timeline .row{display:grid;grid-template-columns:300px 1fr;gap:24px}
.timeline .name{padding:7px 0 9px;min-width:0}
.timeline .name b{font-weight:600}
.timeline .name p{color:var(--muted);font-size:13px;line-height:1.4;overflow-wrap:anywhere}
.timeline .sub .name{padding:3px 0 5px 18px;color:var(--muted);font-size:14px}.timeline .sub .name b{font-weight:400}
.timeline .track{position:relative;background-image:repeating-linear-gradient(to right,var(--line) 0 1px,transparent 1px var(--tick))}
.timeline .bar{position:absolute;top:9px;height:18px;min-width:4px;border-radius:5px;background:var(--accent)}
.timeline .sub .bar{top:10px;height:8px;opacity:.7}
.timeline .bar.failed{background:var(--bad)}
.timeline .bar.interrupted,.timeline .bar.running{background:repeating-linear-gradient(135deg,var(--previous) 0 6px,transparent 6px 10px);border:1px solid var(--previous)}
.timeline .bar.rollback{background:var(--warn)}
.timeline .took{position:absolute;top:8px;font-size:13px;color:var(--muted);white-space:nowrap;padding:0 8px}
.timeline .sub .took{top:4px}
.timeline .took.inside{color:var(--bg);font-weight:600}
.timeline .took.boxed{color:var(--ink);background:var(--bg);border-radius:4px;margin-left:8px;font-weight:400}
.timeline .took.left{transform:translateX(-100%)}
.timeline .mark{position:absolute;top:0;bottom:0;width:0;border-left:2px dashed var(--warn)}
.timeline .axis .track{height:24px;background:none;font-size:12px;color:var(--muted)}
.timeline .axis span{position:absolute;white-space:nowrap}
/* fleet */
.legend{display:flex;gap:18px;flex-wrap:wrap;font-size:13px;color:var(--muted);margin:0 0 14px}
.legend span{display:inline-flex;gap:7px;align-items:center}
.legend i{width:16px;height:11px;border-radius:3px;display:inline-block}
.legend i.target{background:var(--accent)}.legend i.previous{background:var(--previous)}
.legend i.healthy{height:0;border-top:3px solid var(--good);border-radius:0}.legend i.desired{height:0;border-top:2px dashed var(--muted);border-radius:0}
.group{border:1px solid var(--line);border-radius:14px;margin:0 0 16px;break-inside:avoid;overflow:hidden}
.group>.head{display:flex;gap:12px;align-items:baseline;flex-wrap:wrap;padding:14px 20px;background:var(--panel);border-bottom:1px solid var(--line)}
.group>.head .where{color:var(--muted);font-size:13.5px}
.group>.head .badge{margin-left:auto}
.group .body{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:28px;padding:18px 20px}
.group .reason{color:var(--muted);font-size:14px}
.group details{border-top:1px solid var(--line);padding:2px 20px}.group details>summary{font-size:13.5px;font-weight:450}
.group .body table th:first-child{width:110px}
.dots{display:inline-flex;gap:3px;flex-wrap:wrap;vertical-align:-1px;margin-right:6px}
.dots i{width:11px;height:11px;border-radius:3px;background:var(--previous)}
.dots i.on{background:var(--accent)}.dots i.sick{outline:2px solid var(--bad);outline-offset:-2px}
.changed{font-weight:650;color:var(--accent)}
svg.chart{width:100%;height:auto;display:block;font-size:11.5px}
svg.chart text{fill:var(--muted)}
svg .grid{stroke:var(--line)}svg .a-target{fill:var(--accent);opacity:.85}svg .a-previous{fill:var(--previous);opacity:.75}
svg .l-healthy{fill:none;stroke:var(--good);stroke-width:2.5}svg .l-desired{fill:none;stroke:var(--muted);stroke-width:1.5;stroke-dasharray:5 4}
/* tables */
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;vertical-align:top;padding:6px 14px 6px 0;border-bottom:1px solid var(--line)}
tr:last-child>td,tr:last-child>th{border-bottom:0}
thead th{color:var(--muted);font-weight:550;font-size:13px;border-bottom-color:var(--strong)}
tbody th{font-weight:450;color:var(--muted);font-size:13.5px}
td.num,th.num{text-align:right}
td p+p{margin-top:2px}
.wrap{overflow-wrap:anywhere}
details>summary{cursor:pointer;padding:6px 0;color:var(--accent);font-weight:550;font-size:14.5px}
details[open]>summary{margin-bottom:6px}
.panel{border:1px solid var(--line);border-radius:14px;padding:18px 20px;margin:0 0 16px}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:16px}
.columns .panel{margin:0}
.panel h3{margin-bottom:8px}
.sections{display:grid;gap:9px}
.sections .line{display:grid;grid-template-columns:minmax(150px,200px) 1fr 200px;gap:16px;align-items:center;font-size:14px}
.sections .meter{height:12px;border-radius:6px;background:var(--panel);overflow:hidden;display:flex;border:1px solid var(--line)}
.sections .meter .pass{background:var(--good)}.sections .meter .waived{background:var(--waived)}.sections .meter .fail{background:var(--bad)}
.sections .figure{text-align:right;color:var(--muted);font-size:13.5px;white-space:nowrap}
.absent{color:var(--muted);border:1px dashed var(--strong);border-radius:12px;padding:12px 16px}
.ok{color:var(--good);font-weight:600}
footer{margin-top:56px;padding-bottom:48px;color:var(--muted);font-size:13px}
footer p{border-top:1px solid var(--line);padding-top:16px}
@media screen and (max-width:760px){main,header.top,footer{padding-left:16px;padding-right:16px}.group .body{grid-template-columns:1fr}.timeline .row{grid-template-columns:130px 1fr;gap:12px}
.columns{grid-template-columns:1fr}.sections .line{grid-template-columns:1fr}.sections .figure{text-align:left}h1{font-size:26px}}
@media print{body{font-size:11.5px;-webkit-print-color-adjust:exact;print-color-adjust:exact}main,header.top,footer{max-width:none;padding:0}
h2{break-after:avoid;margin-top:28px}.timeline .row{grid-template-columns:210px 1fr}.columns{grid-template-columns:1fr 1fr}table,dl.facts,.timeline .name p{font-size:10.5px}.panel,.tile,tr{break-inside:avoid}a{color:inherit;text-decoration:none}}
@page{margin:16mm}
`;
