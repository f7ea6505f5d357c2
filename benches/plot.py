"""The report of run.py as a plain SVG: a bar for each test, its 90 % interval as a whisker, a line where both are as fast. No library."""
from html import escape

LEFT, WIDTH, RIGHT, ROW, GAP = 250, 420, 190, 22, 16  # pixels
COLOURS = ["#2a6f97", "#bc6c25", "#588157", "#8a5a83"]  # one a peer


def bars(report):
    rows = [(name, result) for name, entry in report["models"].items() for result in entry["tests"]]
    peers = sorted({result["peer"] for _, result in rows})
    top = max([1.0, *(result["high"] for _, result in rows)]) * 1.05
    x = lambda ratio: LEFT + WIDTH * ratio / top
    out, y, last = [], 34, None
    for name, result in rows:
        if name != last:
            y += GAP
            out.append(text(10, y + 4, name, weight="bold"))
            y, last = y + ROW, name
        out += bar(result, x, y, COLOURS[peers.index(result["peer"]) % len(COLOURS)])
        y += ROW
    height = y + 34
    grid = [part for ratio in ticks(top) for part in (
        f'<line x1="{x(ratio):.1f}" y1="34" x2="{x(ratio):.1f}" y2="{y}" stroke="{"#333" if ratio == 1 else "#ddd"}"/>',
        text(x(ratio), y + 16, f"{ratio:g}×", anchor="middle"))]
    title = text(10, 20, "Cloister's tokens per second ÷ the peer's best, on the same file and cores; median of pairs in turn", weight="bold")
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/>', title, *grid, *out, "</svg>", ""])


def bar(result, x, y, colour):
    middle, ratio = y - 4, result["ratio"]
    share = "" if result["bandwidth_percent"] is None else f", {result['bandwidth_percent']:.0f} % of sweep"
    return [
        text(24, y, f"{result['test']} ÷ {result['peer']}"),
        f'<rect x="{x(0):.1f}" y="{middle - 7}" width="{x(ratio) - x(0):.1f}" height="14" fill="{colour}" fill-opacity="{0.35 if result["disturbed"] else 0.85}"/>',
        f'<path d="M{x(result["low"]):.1f} {middle}H{x(result["high"]):.1f}M{x(result["low"]):.1f} {middle - 4}v8M{x(result["high"]):.1f} {middle - 4}v8" stroke="#111" fill="none"/>',
        text(x(result["high"]) + 6, y, f"{ratio:.2f} ({result['ours']:.0f} t/s{share})"),
    ]


def ticks(top):
    step = next(s for s in (0.25, 0.5, 1, 2, 5, 10) if top / s <= 9)
    return [i * step for i in range(int(top / step) + 1)]


def text(x, y, words, anchor="start", weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'
