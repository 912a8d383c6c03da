"""A host's own process: starts a run in a transaction of its own, commits, and ends. `python -m evidence.host RUN_ID`.

With `SQUIDIE_FAILPOINTS=host.committed=kill` it dies between its commit and the bell.
"""

from __future__ import annotations

import sys

from sqlalchemy.orm import Session

from evidence.app import squidie


def main(run_id: str, queue: str) -> None:
    """One start, in the host's transaction."""
    with Session(squidie.engine) as session:
        squidie.start("Single", {}, run_id=run_id, queue=queue, session=session)
        session.commit()
    squidie.close()


if __name__ == "__main__":
    main(*sys.argv[1:3])
