"""`make chaos`: ROUNDS (default 20), SEED (default drawn), FAULTS (kinds, with commas), DEVICES, KEEP=1."""

from __future__ import annotations

import os
import random
import sys

from tests.chaos.fault import FAULTS
from tests.chaos.run import Options, report, run
from tests.chaos.school import EDGES, School


def main() -> int:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
    only = tuple(filter(None, os.environ.get("FAULTS", "").split(",")))
    each = max(4, int(os.environ.get("DEVICES") or 2_000) // len(EDGES))
    school = School(each // 2, each // 4, each // 4)
    options = Options(
        seed, int(os.environ.get("ROUNDS") or 20), only, school=school, keep=bool(os.environ.get("KEEP"))
    )
    print(
        f"seed {seed}, {options.rounds} rounds, {each * len(EDGES)} devices on {len(EDGES)} edges", flush=True
    )
    try:
        result = run(options, lambda words: print(words, flush=True))
    except ValueError as error:
        print(f"{error}\nkinds: {' '.join(FAULTS)}", file=sys.stderr)
        return 2
    except AssertionError as error:
        print(f"NOT WELL: {error}", flush=True)
        chosen = f"FAULTS={','.join(only)} " if only else ""
        print(f"repeat it with: ROUNDS={options.rounds} SEED={seed} {chosen}make chaos", flush=True)
        return 1
    report(options, result, lambda words: print(words, flush=True))
    return 1 if result.account.findings else 0


if __name__ == "__main__":
    sys.exit(main())
