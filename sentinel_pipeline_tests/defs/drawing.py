"""The lineage as one picture for people who read the docs: a band for each group, a box for each
asset, its checks below its name, and an edge for each dependency that others do not imply.

Dagster's own page draws all edges, can be folded and needs a server; this picture stands in the
README. It is written with the snapshot of the lineage and tested against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

BAND = 74
"""Height of a group's band in pixels; the sizes below are pixels as well."""
BOX = 42
LEFT = 104
WIDTH = 960
LETTER = 7.3
"""Width of a letter of a box's name."""
GROUPS = (
    "tasks",
    "audit",
    "baseline",
    "candidates",
    "critic",
    "mix",
    "sft",
    "review",
    "dpo",
    "kto",
    "grpo",
    "evaluation",
    "release",
)
"""From top to bottom, in the order in which a run comes to them."""

STYLE = """
  text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #0f172a }
  .checks { font-size: 10px; fill: #475569 }
  .group { font-weight: 600; fill: #475569 }
  .even { fill: #f1f5f9 } .odd { fill: #ffffff }
  .box { fill: #ffffff; stroke: #64748b }
  .gated { stroke: #2563eb; stroke-width: 1.8 }
  .edge { fill: none; stroke: #94a3b8; stroke-width: 1.2 }
  .tip { fill: #94a3b8 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e2e8f0 } .checks, .group { fill: #94a3b8 }
    .even { fill: #0f172a } .odd { fill: #111c30 }
    .box { fill: #1e293b; stroke: #64748b } .gated { stroke: #60a5fa }
    .edge { stroke: #64748b } .tip { fill: #64748b }
  }
"""


def reduced(parents: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Each asset's parents without those that are also reached through another parent."""
    above: dict[str, set[str]] = {}

    def ancestors(name: str) -> set[str]:
        if name not in above:
            above[name] = set(parents[name]).union(*(ancestors(each) for each in parents[name]))
        return above[name]

    return {
        name: [
            parent
            for parent in direct
            if not any(parent in ancestors(other) for other in direct if other != parent)
        ]
        for name, direct in parents.items()
    }


def drawing(assets: Mapping[str, Mapping[str, Any]]) -> str:
    """The picture as SVG. ``assets`` is the snapshot's part of that name."""
    parents = reduced({name: list(asset["deps"]) for name, asset in assets.items()})

    def depth(name: str) -> int:
        return max((depth(parent) + 1 for parent in parents[name]), default=0)

    boxes: dict[str, tuple[float, float, float]] = {}
    shapes = []
    for band, group in enumerate(GROUPS):
        top = band * BAND
        shade = "even" if band % 2 == 0 else "odd"
        shapes.append(f'<rect class="{shade}" y="{top}" width="{WIDTH}" height="{BAND}"/>')
        shapes.append(f'<text class="group" x="12" y="{top + BAND / 2 + 4}">{escape(group)}</text>')
        names = sorted(
            (n for n in assets if assets[n]["group"] == group), key=lambda n: (depth(n), n)
        )
        widths = [len(name) * LETTER + 20 for name in names]
        gap = min(36.0, (WIDTH - LEFT - 12 - sum(widths)) / max(1, len(names)))
        left = float(LEFT)
        for name, width in zip(names, widths):
            boxes[name] = (left, top + (BAND - BOX) / 2, width)
            left += width + gap
    edges = []
    for name, direct in parents.items():
        x, y, width = boxes[name]
        for order, parent in enumerate(direct):
            from_x, from_y, from_width = boxes[parent]
            if from_y == y:
                start, end = from_x + from_width, x - 5
                middle = y + BOX / 2
                edges.append(f'<path class="edge" d="M{start:.0f} {middle:.0f}H{end:.0f}"/>')
                edges.append(f'<path class="tip" d="M{x:.0f} {middle:.0f}l-7 -4v8z"/>')
                continue
            start_x = from_x + from_width / 2
            end_x = x + width * (order + 1) / (len(direct) + 1)
            start_y = from_y + BOX
            bend = (y - start_y) / 2
            edges.append(
                f'<path class="edge" d="M{start_x:.0f} {start_y:.0f}C{start_x:.0f} '
                f'{start_y + bend:.0f} {end_x:.0f} {y - bend:.0f} {end_x:.0f} {y - 6:.0f}"/>'
            )
            edges.append(f'<path class="tip" d="M{end_x:.0f} {y:.0f}l-4 -7h8z"/>')
    shapes += edges
    for name, (x, y, width) in boxes.items():
        checks = assets[name]["checks"]
        style = "box gated" if "blocking" in checks.values() else "box"
        shapes.append(
            f'<rect class="{style}" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX}" rx="6"/>'
        )
        line = y + (18 if checks else 26)
        shapes.append(f'<text x="{x + 10:.0f}" y="{line:.0f}">{escape(name)}</text>')
        if checks:
            count = f"{len(checks)} checks" if len(checks) > 1 else "1 check"
            shapes.append(f'<text class="checks" x="{x + 10:.0f}" y="{y + 33:.0f}">{count}</text>')
    height = len(GROUPS) * BAND
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="The assets of the loop, by group"><style>{STYLE}</style>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )
