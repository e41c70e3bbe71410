"""Reading of TOML files. What this module does not do: know what a table means (``decode``)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from ..errors import BadInput


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; a byte order mark at its start, which Windows' editors write, is skipped.

    Raises:
        BadInput: missing, unreadable, not UTF-8, or invalid TOML (with the line that the parser
            names).
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise BadInput("no such file.", file=path, fix="Check the name.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}.", file=path) from error
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"is not TOML: {error}.", file=path, fix="Fix the line named.") from error
    except RecursionError:
        raise BadInput("nested too deeply.", file=path, fix="Write flat tables.") from None
    except ValueError as error:
        # An integer of more digits than Python converts; the parser lets it through as it is.
        raise BadInput(f"holds a number that cannot be read: {error}.", file=path) from error
