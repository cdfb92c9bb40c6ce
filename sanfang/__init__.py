"""The command line: the one place that knows all four programs."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - run from a checkout, pip has not looked at requires-python
    sys.stderr.write("Sanfang needs Python 3.11 or newer; this is %d.%d\n" % sys.version_info[:2])  # noqa: UP031
    raise SystemExit(2)
