"""``python -m sentinel_pipeline.web``: serve the review pages until stopped. One process; people
wait for none but the database."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..errors import SentinelError
from ..review.database import Database, database_url
from ..review.review_queue import ReviewQueue
from ..store import find_home
from .app import create_app


def main(argv: Sequence[str] | None = None) -> int:
    import uvicorn

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--name", action="append", default=[])
    parser.add_argument("--lease-seconds", type=float, default=600.0)
    parser.add_argument("--second-share", type=float, default=0.0)
    args = parser.parse_args(argv)
    try:
        database = Database(database_url(find_home().review))
    except SentinelError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
    desk = ReviewQueue(
        db=database, lease_seconds=args.lease_seconds, second_share=args.second_share
    )
    names = args.name or [f"{name}:{args.port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    app = create_app(desk, frozenset(name.lower() for name in names))
    uvicorn.run(app, host=args.host, port=args.port, log_level="warning", server_header=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
