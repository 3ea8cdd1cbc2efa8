"""The truth table: every planted case through the real command, and how often Seatrial was right.

python -m tests.truth [--only TEXT] [--jobs N] [--list] [--write]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.truth import cases
from tests.truth.matrix import PAGE, matrix, page, wrong
from tests.truth.running import Judgement, Result, remove, run


def main() -> int:
    """Run the rows; 1 unless all of them are right."""
    parser = argparse.ArgumentParser(prog="make truth", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", action="append", default=[], help="rows with this text in their name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="rows at a time; default: the number of cores")
    parser.add_argument("--list", action="store_true", help="list the rows, and run none")
    parser.add_argument("--write", action="store_true", help=f"write the matrix into {PAGE.name}")
    given = parser.parse_args()
    chosen = [case for case in cases.CASES if all(text in case.id for text in given.only)]
    if given.list:
        print("\n".join(f"{' or '.join(case.outcomes):22} {case.id}" for case in chosen))
        return 0
    skipped = {case.id: why for case in chosen if (why := cases.missing(case))}
    chosen = [case for case in chosen if case.id not in skipped]
    if not chosen:
        print("no row to run")
        return 5
    folder = Path(tempfile.mkdtemp(prefix="seatrial-truth-"))
    results: list[Result] = []
    with ThreadPoolExecutor(max(1, given.jobs)) as pool:
        started = [pool.submit(run, case, folder / f"{number:03}") for number, case in enumerate(chosen)]
        try:
            for future in as_completed(started):
                result = future.result()
                results.append(result)
                print(
                    f"[{len(results):3}/{len(chosen)}] {result.judgement:15} {result.outcome:12} {result.case.id}",
                    flush=True,
                )
                if result.judgement is Judgement.RIGHT:
                    remove(result)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    print(f"\n{matrix(results)}\n")
    for id, why in skipped.items():
        print(f"skipped  {id}: {why}")
    bad = [result for result in results if result.judgement is not Judgement.RIGHT]
    for result in bad:
        print(wrong(result))
    if not bad:
        folder.rmdir()
    if given.write and not given.only and not skipped:
        PAGE.write_text(page(PAGE.read_text(), results))
    unexpected = [result for result in bad if not result.case.known]
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
