"""Start one program so that it ends with its parent, and as another user where it must: a launcher in one exec.

`python -I -S tether.py --parent PID --signal N [--root DIR] [--user UID --group GID] -- PROGRAM ARGS…`

It stands alone (standard library only, nothing of ours imported), as it is run by path before every child
and must start in a few milliseconds. Being a process of its own it needs no code between fork and exec, which
would be unsafe in a parent with threads.
"""

from __future__ import annotations

import ctypes
import os
import sys

# Loaded at once: after the change of user this Python's own folder may be out of reach.
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def tether(parent: int, signal_number: int) -> None:
    """Ask the kernel to send us the signal when our parent dies (Linux only)."""
    if not sys.platform.startswith("linux"):
        return
    if LIBC.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        sys.exit(f"tether: prctl failed, error {ctypes.get_errno()}")
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


def main(arguments: list[str]) -> None:
    """Read our own few options, become the user, tether, and turn into the program."""
    options, program = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    given = dict(zip(options[::2], options[1::2], strict=True))
    if "--root" in given:
        os.chroot(given["--root"])
        os.chdir("/")
    if "--user" in given:
        os.setgroups([])
        os.setgid(int(given["--group"]))
        os.setuid(int(given["--user"]))
    # After setuid: a change of user clears the parent-death signal.
    tether(int(given["--parent"]), int(given["--signal"]))
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
