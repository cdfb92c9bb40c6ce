"""`sanfang rules`: what can be asked of judgement without a hub."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Judgement without a hub.")


@app.callback()
def rules() -> None:
    """Judgement without a hub."""


@app.command("detect")
def detect(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A series, a row each, sorted by time.")],
    value_column: Annotated[str, typer.Option("--value-column", metavar="NAME")],
    time_column: Annotated[
        str | None, typer.Option("--time-column", metavar="NAME", help="ISO 8601, or seconds since 1970.")
    ] = None,
) -> None:
    """Print the rows with a column `score`: higher is stranger; empty while nothing can be said.

    A row's score uses no later row. About 1.4 and more is worth a look.
    """
    from hub.rules.deviation.table import score_file

    out = csv.writer(sys.stdout, lineterminator="\n")
    for row in score_file(file, value_column=value_column, time_column=time_column):
        out.writerow(row)
