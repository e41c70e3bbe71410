"""The live list of a run: one line per asset, progress with rate and ETA for the one that is
running.

On a terminal the list is redrawn in place; elsewhere each change is one line.
"""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ..store import Home
from ..worker.progress import last_row

_MARK = {
    "running": ("▶", "cyan"),
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("–", "yellow"),
    "waiting": ("·", "dim"),
}


class LiveRun:
    """State of a run as its events tell it, drawn while it goes on."""

    def __init__(self, home: Home, recipe: str, console: Console) -> None:
        self.home = home
        self.recipe = recipe
        self.console = console
        self.run_id = self.loop = ""
        self.stages: dict[str, dict[str, Any]] = {}
        self.checks: list[dict[str, Any]] = []
        self.exit_code: int | None = None
        self.message = ""
        self.began = time.monotonic()
        self.seconds = 0.0
        self._since: dict[str, float] = {}
        self._live = (
            Live(console=console, refresh_per_second=4, transient=False)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> LiveRun:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self.began
        if self._live:
            self._live.update(self._draw())
            self._live.stop()

    def on_event(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "run":
            self.run_id = event["run_id"]
            self.loop = event["loop"]
            self.stages = {
                name: {"name": name, "seconds": 0.0, "status": "waiting"}
                for name in event["stages"]
            }
            if self.stages:  # else nothing is left to do, and there is no such run
                self._line(f"run {self.run_id}")
        elif kind == "note":
            self.console.print(event["text"], markup=False, highlight=False, soft_wrap=True)
        elif kind == "stage" and event["name"] in self.stages:
            self.stages[event["name"]] |= {"seconds": event["seconds"], "status": event["status"]}
            self._since.setdefault(event["name"], time.monotonic())
            self._line(
                f"{event['status']:8}{event['name']}"
                + (f"  {event['seconds']:.1f} s" if event["seconds"] else "")
            )
        elif kind == "check":
            self.checks.append(event)
            word, _ = _check_state(event)
            self._line(f"{word:8}{event['asset']}.{event['name']}: {event['description']}")
        elif kind == "end":
            self.exit_code = event["exit_code"]
            self.message = event["message"]

    def tick(self) -> None:
        if self._live:
            self._live.update(self._draw())

    def _line(self, text: str) -> None:
        if not self._live:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _draw(self) -> Text:
        text = Text()
        for stage in self.stages.values():
            mark, style = _MARK[stage["status"]]
            running = stage["status"] == "running"
            seconds = time.monotonic() - self._since[stage["name"]] if running else stage["seconds"]
            clock = f"{seconds:7.1f} s" if stage["status"] != "waiting" else ""
            detail = self._progress(stage["name"]) if running else self._verdicts(stage["name"])
            text.append(f" {mark} ", style).append(f"{stage['name']:<24}").append(
                f"{clock:>10}", "dim"
            ).append(f"  {detail}\n")
        return text

    def _verdicts(self, asset: str) -> str:
        marks = [
            f"{_check_state(check)[1]} {check['name']}"
            for check in self.checks
            if check["asset"] == asset
        ]
        return "  ".join(marks)

    def _progress(self, asset: str) -> str:
        """The last complete line that the stage's worker wrote, as ``step 120/400 · loss 0.412 · 9k
        tokens/s · 31 s left``."""
        draft = self.home.runs / self.recipe / asset / f".draft-{self.loop}"
        row = last_row(draft / "logs" / "progress.jsonl") or last_row(draft / "progress.jsonl")
        if row is None:
            return ""
        parts = [f"{row['step']}/{row['total']}"]
        parts += [f"loss {row['loss']:.3f}"] if row.get("loss") is not None else []
        parts += [f"{row['tokens_per_s']:,.0f} tokens/s"] if row.get("tokens_per_s") else []
        parts += [f"{row['eta_s']:.0f} s left"] if row.get("eta_s") is not None else []
        return " · ".join(parts)


def _check_state(check: dict[str, Any]) -> tuple[str, str]:
    """Word and mark of a check: one that only warns is not shown as one that stops, and one that
    asked nothing as neither."""
    if check.get("skipped"):
        return "skipped", "–"
    if check["passed"]:
        return "passed", "✓"
    return ("warns", "!") if check["warns"] else ("NOT OK", "✗")
