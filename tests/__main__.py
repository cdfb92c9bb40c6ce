"""`make test`: the parallel part, then what needs the machine to itself, then the console's own tests.

Options go to pytest. Exit code 0 only when every part passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sanfang import console
from tests.conftest import LEFT_OUT_FILE


def run_pytest(left_out: Path, *arguments: str) -> int:
    """Run one part; a part in which no test was chosen is no failure."""
    command = [sys.executable, "-m", "pytest", *arguments]
    code = subprocess.run(command, env={**os.environ, LEFT_OUT_FILE: str(left_out)}, check=False).returncode
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else code


def main(options: list[str]) -> int:
    chosen = any(not option.startswith("-") or option.startswith(("-k", "-m")) for option in options)
    with tempfile.TemporaryDirectory() as folder:
        left_out = Path(folder) / "left-out"
        if chosen:  # somebody looks at a few tests: one run, in order
            codes = [run_pytest(left_out, *options)]
        else:
            codes = [
                console.main(["test"]),
                run_pytest(left_out, "-q", "-m", "alone", *options),
                run_pytest(left_out, "-q", "-m", "not alone", "-n", "2", "--dist", "worksteal", *options),
            ]
        lines = left_out.read_text(encoding="utf-8").splitlines() if left_out.exists() else []
    if lines:
        print("\nLeft out (see `make services`):", *lines, sep="\n", flush=True)
    elif not chosen:
        print("\nNo suite was left out.", flush=True)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
