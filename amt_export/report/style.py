"""How the page looks: one column, light or dark as the reader's system is, down to the width of a phone."""

PAGE_STYLE = """
:root{--ground:#fff;--card:#f7f8fb;--ink:#1f2330;--soft:#5b6272;--line:#dfe3ec;--link:#1d4ed8;--good:#15803d;
--bad:#b91c1c;--track:#e6e9f1}
@media(prefers-color-scheme:dark){:root{--ground:#12151c;--card:#1a1e28;--ink:#e6e8ef;--soft:#a3abbd;
--line:#2c3242;--link:#93b4ff;--good:#4ade80;--bad:#fca5a5;--track:#2c3242}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
sans-serif}
header,main{max-width:1080px;margin:0 auto;padding:0 20px}
header{padding-top:28px}main{padding-bottom:60px}
h1{font-size:26px;line-height:1.2;margin:0 0 6px}h2{font-size:19px;margin:0 0 4px;overflow-wrap:anywhere}
p{margin:0 0 12px;max-width:75ch}.lead{font-size:17px}
a{color:var(--link)}
section{border-top:1px solid var(--line);padding:22px 0 8px;scroll-margin-top:8px}
.scroll{overflow-x:auto;margin:0 0 14px;border:1px solid var(--line);border-radius:8px}
.scroll:focus-visible,a:focus-visible,summary:focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:14px}
caption{text-align:left;color:var(--soft);padding:8px 12px;font-size:13px}
caption.hidden{position:absolute;clip-path:inset(50%);height:1px;width:1px;overflow:hidden}
th,td{padding:6px 12px;text-align:left;vertical-align:top;border-top:1px solid var(--line);white-space:nowrap}
thead th{color:var(--soft);font-weight:600;font-size:13px;background:var(--card);border-top:0;
white-space:normal}
caption+thead th{border-top:1px solid var(--line)}caption.hidden+thead th{border-top:0}
tbody th{font-weight:600}tbody tr:hover{background:var(--card)}
.num,td.num{font-variant-numeric:tabular-nums}
.sub{display:block;color:var(--soft);font-weight:400;font-size:12.5px}
.none{color:var(--soft)}
.bar{display:block;height:4px;width:88px;margin-top:4px;border-radius:2px;background:var(--track)}
.bar i{display:block;height:100%;border-radius:2px;background:var(--good)}
.bar.wrong i{background:var(--bad)}.bad{color:var(--bad)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:16px;
margin:4px 0 12px}
figure{margin:0;max-width:586px;min-width:0;padding:12px;background:var(--card);
border:1px solid var(--line);border-radius:8px}
figcaption{color:var(--soft);font-size:13px;margin-top:4px}
.notrun{color:var(--soft);font-size:13px;margin:0}.notrun+.scroll{margin-top:8px}
ul.notrun{margin:0 0 12px;padding-left:20px}
details{margin:0 0 10px}summary{cursor:pointer;color:var(--link);width:max-content}
details[open] summary{margin-bottom:8px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0 0 12px;font-size:14px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere;min-width:0}
code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media(max-width:560px){header,main{padding-left:12px;padding-right:12px}dl{grid-template-columns:1fr}
dd{margin-bottom:6px}th,td{padding:6px 8px}}
@media print{.scroll{overflow:visible;border:0}details{display:none}section{break-inside:avoid}}
"""
