"""How the page looks: contents beside it, or above it on a phone; light or dark as the reader's system is."""

PAGE_STYLE = """
:root{--ground:#fff;--card:#f7f8fb;--ink:#1f2330;--soft:#5b6272;--line:#dfe3ec;--link:#1d4ed8;--good:#15803d;
--bad:#b91c1c;--track:#e1e5ee;--shadow:rgba(31,35,48,.28)}
@media(prefers-color-scheme:dark){:root{--ground:#12151c;--card:#1a1e28;--ink:#e6e8ef;--soft:#a3abbd;
--line:#2c3242;--link:#93b4ff;--good:#4ade80;--bad:#fca5a5;--track:#2c3242;--shadow:rgba(147,180,255,.38)}}
*{box-sizing:border-box}html{scroll-padding-top:12px}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
sans-serif}
header,.columns{max-width:1320px;margin:0 auto;padding:0 20px}header{padding-top:26px}
.columns{display:grid;grid-template-columns:240px minmax(0,1fr);gap:32px;padding-bottom:60px}
aside{position:sticky;top:0;align-self:start;max-height:100vh;overflow-y:auto;padding:22px 0}
h1{font-size:26px;line-height:1.2;margin:0 0 6px}h2{font-size:19px;margin:0 0 6px;overflow-wrap:anywhere}
p{margin:0 0 12px;max-width:75ch}.lead{font-size:17px}.soft{color:var(--soft);font-size:13.5px;max-width:none}
a{color:var(--link)}
.filters{display:grid;gap:8px;margin:0 0 14px}
.filters label{display:grid;gap:2px;color:var(--soft);font-size:13px}
select{font:inherit;font-size:14px;color:var(--ink);background:var(--card);border:1px solid var(--line);
border-radius:6px;padding:5px 6px;max-width:100%;width:100%}
nav ul{list-style:none;margin:0;padding:0;font-size:13px}nav a{display:block;padding:3px 0;text-decoration:none}
nav a:hover{text-decoration:underline}
section{border-top:1px solid var(--line);padding:22px 0 8px}
.scroll{overflow-x:auto;margin:0 0 14px;border:1px solid var(--line);border-radius:8px;scrollbar-width:thin;
background:linear-gradient(to left,var(--ground) 40%,transparent) right/48px 100% no-repeat local,
linear-gradient(to left,var(--shadow),transparent) right/16px 100% no-repeat scroll}
.scroll:focus-visible,a:focus-visible,summary:focus-visible,select:focus-visible{outline:2px solid var(--link);
outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:14px}
caption.hidden{position:absolute;clip-path:inset(50%);height:1px;width:1px;overflow:hidden}
th,td{padding:6px 10px;text-align:left;vertical-align:top;border-top:1px solid var(--line);white-space:nowrap}
thead th{color:var(--soft);font-weight:600;font-size:13px;border-top:0}
tbody th{font-weight:600;background:var(--ground)}tbody tr:hover td{background:var(--card)}
th:first-child{position:sticky;left:0;background:var(--ground)}
.num{font-variant-numeric:tabular-nums}.share{color:var(--soft);font-size:12.5px;margin-left:4px}
.sub{display:block;color:var(--soft);font-weight:400;font-size:12.5px}
.none{color:var(--soft)}
.bar{display:block;height:5px;width:100px;margin-top:4px;border-radius:2px;background:var(--track)}
.bar i{display:block;height:100%;border-radius:2px;background:var(--good)}
.bar.wrong i{background:var(--bad)}.bad{color:var(--bad)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:16px;
margin:4px 0 12px}
figure{margin:0;max-width:586px;min-width:0;padding:12px;background:var(--card);
border:1px solid var(--line);border-radius:8px}
figure img{display:block;max-width:100%;height:auto}
figcaption{color:var(--soft);font-size:13px;margin-top:4px}
ul{padding-left:20px;margin:0 0 12px}li{overflow-wrap:anywhere}
details{margin:0 0 10px}summary{cursor:pointer;color:var(--link);width:max-content}
details[open] summary{margin-bottom:8px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:0 0 12px;font-size:14px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere;min-width:0;max-width:75ch}
.words dt{color:var(--ink);font-weight:600}
code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media(max-width:960px){html{scroll-padding-top:56px}.columns{display:block}aside{display:contents}
.filters{grid-template-columns:1fr 1fr;margin:4px 0 10px}
nav{position:sticky;top:0;z-index:2;background:var(--ground);border-bottom:1px solid var(--line);
margin:0 -20px 14px;
padding:0 20px}
nav ul{display:flex;gap:18px;overflow-x:auto;white-space:nowrap;scrollbar-width:thin}nav a{padding:10px 0}}
@media(max-width:560px){header,.columns{padding-left:12px;padding-right:12px}
nav{margin:0 -12px 12px;padding:0 12px}
dl{grid-template-columns:1fr}dd{margin-bottom:6px}th,td{padding:6px 8px}
tbody th{white-space:normal;overflow-wrap:anywhere;min-width:112px;max-width:136px;font-size:13px}
figure{overflow-x:auto}figure img{max-width:none;width:max(100%,480px)}
.scroll::-webkit-scrollbar{height:7px}
.scroll::-webkit-scrollbar-thumb{background:var(--soft);border-radius:4px}}
@media print{.scroll{overflow:visible;border:0}details,aside{display:none}section{break-inside:avoid}
.columns{display:block}}
"""
