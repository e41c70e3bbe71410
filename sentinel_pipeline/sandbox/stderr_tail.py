"""What a child process said before it ended.

What this module does not do: start or end one.
"""

from __future__ import annotations

import os

from ..secrets import mask_error
from .launching import Process


def stderr_tail(process: Process, limit: int = 300) -> str:
    """The last line of its standard error, shortened, without waiting for more."""
    if process.stderr is None or process.stderr.closed:
        return ""
    os.set_blocking(process.stderr.fileno(), False)
    text = (process.stderr.read() or b"").decode("utf-8", "replace").strip()
    return mask_error(text.splitlines()[-1])[:limit] if text else "no message"
