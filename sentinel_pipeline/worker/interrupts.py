"""SIGINT and SIGTERM as a wish that a training loop reads between steps: save, then stop. A second
signal ends at once."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

from ..errors import Infrastructure


class Interrupted(Infrastructure):
    """The job was asked to stop and kept what it had done: the same job run again goes on from
    there."""


class Interrupts:
    """``asked`` is the signal's name once one arrived, or what stands for one, else None."""

    def __init__(self) -> None:
        self._signal: str | None = None
        self.file: Path | None = None
        """A file that stands for a signal where it exists: for processes that were launched on
        other machines."""

    @property
    def asked(self) -> str | None:
        if self._signal is None and self.file is not None and self.file.exists():
            self._signal = "its launcher"
        return self._signal

    @asked.setter
    def asked(self, value: str | None) -> None:
        self._signal = value

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.asked = signal.Signals(number).name

    def stop_if_asked(self, step: int) -> None:
        """Raise ``Interrupted`` if a signal arrived; call it where everything done so far is
        kept."""
        if self.asked is not None:
            raise Interrupted(
                f"stopped by {self.asked} at step {step}; what is done is kept: run again to resume."
            )
