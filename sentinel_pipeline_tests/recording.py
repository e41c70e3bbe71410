"""A run of the command as an animated picture for the README: real lines at their real times, the
whole made to last twenty seconds.

    sentinel run tiny 2>&1 | python -m sentinel_pipeline_tests.recording docs/images/tiny.svg

Lines pass through to standard output. The picture is SVG with one animation (the text moves up),
which browsers play inside an image; it loads nothing and runs no script.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

COLUMNS = 104
ROWS = 26
LINE = 17
"""Height of a line in pixels."""
LETTER = 7.2
SECONDS = 20.0
HOLD = 6.0
"""How long the last lines stay, of the twenty seconds."""
COLOURS = {
    "passed": "#4ade80",
    "warns": "#fbbf24",
    "failed": "#f87171",
    "running": "#64748b",
    "done": "#94a3b8",
    "$": "#ffffff",
}
"""By a line's first word."""


def picture(lines: Sequence[tuple[float, str]], command: str) -> str:
    """The SVG of ``lines``: seconds since the start, and text. Longer lines are cut at the width.

    Raises:
        ValueError: there are no lines.
    """
    if not lines:
        raise ValueError("nothing was printed: there is nothing to show")
    total = max(lines[-1][0], 1e-9)
    shown = [(0.0, f"$ {command}"), *lines]
    moves = [(0.0, 1)]
    for index, (at, _) in enumerate(shown):
        share = at / total * (SECONDS - HOLD) / SECONDS
        if share > moves[-1][0]:
            moves.append((share, index + 1))
        else:
            moves[-1] = (moves[-1][0], index + 1)
    values = ";".join(f"0 {(ROWS - count) * LINE}" for _, count in moves)
    times = ";".join(f"{share:.4f}" for share, _ in moves)
    texts = []
    for index, (_, text) in enumerate(shown):
        words = text.split(maxsplit=1)
        colour = COLOURS.get(words[0] if words else "", "#e2e8f0")
        cut = text[: COLUMNS - 1] + "…" if len(text) > COLUMNS else text
        texts.append(f'<text x="14" y="{(index + 1) * LINE}" fill="{colour}">{escape(cut)}</text>')
    width = int(COLUMNS * LETTER + 28)
    height = ROWS * LINE + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(command)}: what it prints, in twenty seconds">'
        "<style>text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;"
        "white-space:pre}</style>"
        f'<rect width="{width}" height="{height}" rx="8" fill="#0b1220"/>'
        f'<svg y="10" width="{width}" height="{ROWS * LINE + 6}"><g>'
        f'<animateTransform attributeName="transform" type="translate" calcMode="discrete" '
        f'values="{values}" keyTimes="{times}" dur="{SECONDS:g}s" repeatCount="indefinite"/>\n'
        + "\n".join(texts)
        + "\n</g></svg></svg>\n"
    )


def recorded(stream: Iterable[str]) -> list[tuple[float, str]]:
    """Lines of ``stream`` with the seconds at which they came; each is passed on at once."""
    start = time.monotonic()
    lines = []
    for line in stream:
        sys.stdout.write(line)
        sys.stdout.flush()
        lines.append((time.monotonic() - start, line.rstrip("\n")))
    return lines


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(recorded(sys.stdin), "make run"), encoding="utf-8")
