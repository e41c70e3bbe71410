"""``python -m sentinel_pipeline.web``: serve the review pages until stopped. One process; people
wait for none but the database."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..errors import SentinelError
from ..ports import names, proxies, require_seconds, require_share
from ..records.printable import visible
from ..review.database import Database, database_url
from ..review.review_queue import ReviewQueue
from ..store import find_home
from .app import PLACES, create_app
from .limits import Checks, ProcessJudge


def main(argv: Sequence[str] | None = None) -> int:
    from .serving import serve

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--name", action="append", default=[])
    parser.add_argument("--trusted-proxy", action="append", default=[])
    parser.add_argument("--lease-seconds", type=float, default=600.0)
    parser.add_argument("--second-share", type=float, default=0.0)
    args = parser.parse_args(argv)
    try:
        require_seconds(args.lease_seconds)
        require_share(args.second_share)
        hosts = names(args.name, args.port)
        trusted = proxies(args.trusted_proxy)
        database = Database(database_url(find_home().review))
        desk = ReviewQueue(
            db=database, lease_seconds=args.lease_seconds, second_share=args.second_share
        )
        app = create_app(desk, hosts, checks=Checks(ProcessJudge(PLACES), PLACES))
        return serve(app, args.host, args.port, trusted=trusted)
    except SentinelError as error:
        parser.exit(error.exit_code, f"error: {visible(str(error))}\n")


if __name__ == "__main__":
    raise SystemExit(main())
