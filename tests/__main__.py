"""`make test`: the parallel part, then what needs the machine to itself, then the console's own tests.

Options go to pytest. Exit code 0 only when every part passed.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from sanfang import console


def run_pytest(*arguments: str) -> int:
    """Run one part; a part in which no test was chosen is no failure."""
    code = subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else code


def main(options: list[str]) -> int:
    chosen = any(not option.startswith("-") or option.startswith(("-k", "-m")) for option in options)
    if chosen:  # somebody looks at a few tests: one run, in order
        return run_pytest(*options)
    codes = [
        console.main(["test"]),
        run_pytest("-m", "alone", "-q", *options),
        run_pytest("-m", "not alone", "-q", "-n", "2", "--dist", "worksteal", *options),
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
