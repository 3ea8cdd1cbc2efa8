"""The style and the script of the HTML report; the report also works without the script."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#5b6675;--line:#dfe3e9;--code:#f1f3f6;
--passed:#17734a;--passed-bg:#dff3e8;--failed:#b3261e;--failed-bg:#fbe3e1;--unknown:#875300;--unknown-bg:#fdeecb;
--skipped:#5b6675;--skipped-bg:#e9ecf0;--run:#cfe8dc;--run-ink:#0d4a30;--off:#e1e5ea;--off-ink:#47525f;
--crash:#f6c9c5;--crash-ink:#7d1710;--move:#d5e3f7;--move-ink:#1d4379;--step:#e3e6ee;--focus:#2563c9}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1a2028;--ink:#e4e9f0;--soft:#9aa7b6;--line:#2c3541;
--code:#12171e;--passed:#6fd3a0;--passed-bg:#15382a;--failed:#ff9c93;--failed-bg:#4a1b18;--unknown:#f0c169;
--unknown-bg:#43320f;--skipped:#9aa7b6;--skipped-bg:#2a323d;--run:#1d4a37;--run-ink:#bdeed6;--off:#313a46;
--off-ink:#c0cad6;--crash:#662320;--crash-ink:#ffd2ce;--move:#203d66;--move-ink:#cfe2ff;--step:#2a3340;
--focus:#7fb0ff}}*{box-sizing:border-box}html{scroll-behavior:smooth}@media (prefers-reduced-motion:reduce){html{
scroll-behavior:auto}}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,sans-serif}main,header.top{max-width:1180px;margin:0 auto;padding:0 20px}header.top{
padding-top:28px}h1{font-size:1.5rem;margin:0 0 4px;display:flex;gap:.6rem;align-items:center;flex-wrap:wrap}h2{
font-size:1.05rem;margin:28px 0 10px}h3{font-size:.8rem;letter-spacing:.06em;text-transform:uppercase;
color:var(--soft);margin:20px 0 8px;font-weight:600}a{color:inherit;text-decoration-color:var(--soft);
text-underline-offset:2px}:focus-visible{outline:3px solid var(--focus);outline-offset:2px;border-radius:4px}.soft{
color:var(--soft)}.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}code,pre{
font:13px/1.45 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}code{overflow-wrap:anywhere}pre{
background:var(--code);border:1px solid var(--line);border-radius:6px;padding:10px 12px;margin:6px 0;overflow:auto;
max-height:26rem;white-space:pre-wrap;overflow-wrap:anywhere}.tag{display:inline-flex;align-items:center;gap:.35em;
padding:1px 9px;border-radius:99px;font-size:.8rem;font-weight:600;white-space:nowrap;background:var(--skipped-bg);
color:var(--skipped)}.tag.passed{background:var(--passed-bg);color:var(--passed)}.tag.failed,.tag.left{
background:var(--failed-bg);color:var(--failed)}.tag.unknown,.tag.interrupted,.tag.allowed{
background:var(--unknown-bg);color:var(--unknown)}.chips{display:flex;flex-wrap:wrap;gap:8px;margin:14px 0}.chips b{
font-variant-numeric:tabular-nums}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}th{
text-align:left;font-size:.78rem;color:var(--soft);font-weight:600}th,td{padding:6px 10px;
border-bottom:1px solid var(--line);vertical-align:top}th.num{text-align:right}.card{background:var(--card);
border:1px solid var(--line);border-radius:10px}.list td:first-child{overflow-wrap:anywhere}.tools{display:flex;
gap:8px;flex-wrap:wrap;margin:0 0 10px}.tools input,.tools button{font:inherit;color:inherit;background:var(--card);
border:1px solid var(--line);border-radius:7px;padding:5px 11px}.tools input{flex:1;min-width:12rem}.tools button{
cursor:pointer}.tools button[aria-pressed=true]{border-color:var(--ink);font-weight:600}details.suite{margin:12px 0;
content-visibility:auto;contain-intrinsic-size:auto 54px}details.suite[open]{content-visibility:visible}summary{
cursor:pointer;list-style-position:inside}details.suite>summary{padding:13px 16px;list-style:none;display:flex;
gap:12px;align-items:baseline;flex-wrap:wrap}details.suite>summary::-webkit-details-marker{display:none}
details.suite>summary::before{content:"▸";color:var(--soft);width:.8em}details.suite[open]>summary::before{
content:"▾"}details.suite>summary b{font-size:1.05rem;overflow-wrap:anywhere}.push{margin-left:auto}.inside{
padding:0 16px 16px;border-top:1px solid var(--line)}.inside>p:first-child{margin-top:12px}.why{
border-left:4px solid var(--unknown);background:var(--code);padding:8px 12px;border-radius:0 6px 6px 0;
margin:12px 0;overflow-wrap:anywhere}.why.failed,.why.left{border-color:var(--failed)}.why pre{background:none;
border:0;padding:4px 0 0;margin:0}.lanes{position:relative;padding:2px 0 0}.lane{display:flex;align-items:center;
min-height:30px}.lane>.name{flex:0 0 7.5rem;font-size:.82rem;color:var(--soft);overflow:hidden;
text-overflow:ellipsis;white-space:nowrap;padding-right:8px}.lane>.track{position:relative;flex:1;height:24px;
border-left:1px solid var(--line);border-right:1px solid var(--line)}.lane.axis>.track{height:18px;border:0}
.axis span{position:absolute;transform:translateX(-50%);font-size:.72rem;color:var(--soft);white-space:nowrap}
.axis span:first-child{transform:none}.axis span:last-child{transform:translateX(-100%)}.bar{position:absolute;
top:2px;bottom:2px;min-width:2px;border-radius:4px;font-size:.72rem;line-height:20px;padding:0 5px;overflow:hidden;
white-space:nowrap;text-overflow:ellipsis;text-decoration:none;color:var(--ink);background:var(--step)}.bar.thin{
padding:0}.steps .bar{border:1px solid var(--card)}.bar.running{background:var(--run);color:var(--run-ink)}
.bar.stopped,.bar.destroyed,.bar.paused{background:repeating-linear-gradient(90deg,var(--off) 0 8px,
transparent 8px 10px);color:var(--off-ink)}.bar.destroyed{background:none;border:1px dashed var(--line)}
.bar.crashed,.bar.unreachable{background:repeating-linear-gradient(135deg,var(--crash) 0 6px,color-mix(in srgb,
var(--crash) 72%,transparent) 6px 10px);color:var(--crash-ink)}.bar.creating,.bar.starting,.bar.stopping,
.bar.restarting{background:repeating-linear-gradient(45deg,var(--move) 0 5px,color-mix(in srgb,var(--move) 65%,
transparent) 5px 9px);color:var(--move-ink)}.bar.failed{background:var(--failed-bg);color:var(--failed);
font-weight:600}.bar.unknown,.bar.interrupted{background:var(--unknown-bg);color:var(--unknown);font-weight:600}
.bar.allowed{color:var(--unknown)}.bar.crashed,.bar.stopping,.bar.restarting{padding-left:14px}.bar.thin{padding:0}
.mark{position:absolute;top:1px;width:22px;height:22px;margin-left:-11px;border-radius:99px;display:grid;
place-items:center;font-size:.74rem;font-weight:700;text-decoration:none;border:2px solid var(--card);
background:var(--skipped-bg);color:var(--skipped)}.mark.passed{background:var(--passed-bg);color:var(--passed)}
.mark.failed{background:var(--failed);color:var(--card);border-radius:5px}.mark.unknown{background:var(--unknown);
color:var(--card);border-radius:5px}.mark.allowed{background:var(--unknown-bg);color:var(--unknown)}.mark.fault{
background:var(--ink);color:var(--card);z-index:2}.mark:hover,.mark:focus-visible{z-index:3;transform:scale(1.15)}
.legend{font-size:.76rem;color:var(--soft);margin:6px 0 0 7.5rem}.step{border-bottom:1px solid var(--line)}
.step .step{border-bottom:0;border-top:1px solid var(--line)}.line{display:flex;gap:10px;align-items:baseline;
padding:6px 0;flex-wrap:wrap}.line .what{flex:1;min-width:14rem;overflow-wrap:anywhere}.step>details>summary{
list-style:none}.step>details>summary::-webkit-details-marker{display:none}.step .arrow{width:.8em;
color:var(--soft);flex:none}details[open]>summary>.line>.arrow{transform:rotate(90deg)}.line>.num{min-width:3.6rem}
.line>.tag{min-width:5.4rem;justify-content:center}.more{padding:2px 0 10px 1.8em}.kids{padding-left:1.6em}.path{
color:var(--soft);font-size:.8rem;font-variant-numeric:tabular-nums;min-width:2.2em}.checks td,.checks th{
padding:4px 10px 4px 0}.checks td{font-size:.88rem}:target{scroll-margin-top:12px;box-shadow:0 0 0 3px var(--focus);
border-radius:4px}dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 16px;margin:6px 0}dt{
color:var(--soft);font-size:.85rem}dd{margin:0;overflow-wrap:anywhere}footer{max-width:1180px;margin:30px auto;
padding:0 20px;color:var(--soft);font-size:.82rem}@media (max-width:640px){.lane>.name,.legend{flex-basis:4.5rem}
.legend{margin-left:4.5rem}main,header.top{padding-left:12px;padding-right:12px}.more{padding-left:.4em}.kids{
padding-left:.7em}}
@media (max-width:640px){.line .what{min-width:8rem}.list td:first-child,.checks td:nth-child(-n+4){min-width:8rem}}
.file{padding-left:1.1em}
@media print{details.suite{content-visibility:visible}.tools{display:none}}
"""

SCRIPT = """
(function(){
var q=document.getElementById('q'),red=document.getElementById('red'),only=false;
if(!q)return;document.querySelector('.tools').hidden=false;
function show(){var w=q.value.toLowerCase();
document.querySelectorAll('[data-s]').forEach(function(e){
e.hidden=(only&&e.dataset.s==='ok')||(w&&e.dataset.n.toLowerCase().indexOf(w)<0)})}
q.addEventListener('input',show);
red.addEventListener('click',function(){only=!only;red.setAttribute('aria-pressed',only);show()});
document.getElementById('all').addEventListener('click',function(){
var d=Array.prototype.slice.call(document.querySelectorAll('details.suite')),open=d.some(function(e){return !e.open});
d.forEach(function(e){e.open=open})});
function reveal(){var e=document.getElementById(decodeURIComponent(location.hash.slice(1)));if(!e)return;
for(var p=e;p;p=p.parentElement)if(p.tagName==='DETAILS')p.open=true;
var d=e.querySelector('details');if(d)d.open=true;e.scrollIntoView()}
addEventListener('hashchange',reveal);reveal();
})();
"""
