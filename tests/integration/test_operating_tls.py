"""What docs/operating.md says about TLS, done word for word: its hub.yaml, and its commands in their order."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from sanfang.ports import LOOPBACK, accepts
from tests.conftest import leave_out
from tests.integration.test_hub_app import write_config
from tests.ports import reserve_port
from tests.running_api import ROOT
from tests.secured import USER
from tests.services.mosquitto import find_mosquitto
from tests.waiting import wait_until

pytestmark = pytest.mark.services
STAYING = ("mosquitto -c", "sanfang hub", "sanfang edge --config")


def read_section() -> tuple[str, list[list[str]]]:
    """The YAML of the section, and the lines of each of its blocks of commands."""
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    section = text.split("## TLS and credentials", 1)[1].split("\n## ", 1)[0]
    (document,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    return document, [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


def test_the_commands_of_the_page_lead_from_nothing_to_an_edge_that_speaks(
    database: str, tmp_path: Path
) -> None:
    program = find_mosquitto()
    if program is None:
        leave_out("Mosquitto")
    document, (first, daily) = read_section()
    assert len(first) <= 8
    ports = {"8883": reserve_port(), "8443": reserve_port()}
    for word, number in ports.items():
        document = document.replace(word, str(number))
    document = document.replace("hub.school.example", LOOPBACK).replace("0.0.0.0", LOOPBACK)
    write_config(tmp_path, database, 1883, **yaml.safe_load(document))
    (tmp_path / "edge.yaml").write_text("data_dir: edge\nrun_dir: edge-run\n")
    changes = {
        "/etc/sanfang": str(tmp_path),
        "/etc/mosquitto/sanfang": str(tmp_path / "mosquitto"),
        "--owner mosquitto": f"--owner {USER}",
        " NAME": " e1",
    }
    token = ""
    with ExitStack() as stack:

        def run(line: str) -> str:
            for old, new in {**changes, "TOKEN": token}.items():
                line = line.replace(old, new)
            words = line.split()
            words[:1] = [program] if words[0] == "mosquitto" else [sys.executable, "-m", "sanfang"]
            if not line.startswith(STAYING):
                return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
            log = stack.enter_context(
                (tmp_path / f"{len(changes)}-{words[-1].rpartition('/')[2]}.log").open("a")
            )
            process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            return ""

        for line in first:
            told = run(line)
            if line.startswith("sanfang edge invite"):
                token = told.strip()
            if line.startswith("mosquitto"):
                wait_until(lambda: accepts(ports["8883"]), 15, "the broker listens")
            if line.startswith("sanfang hub"):
                wait_until(lambda: accepts(ports["8443"]), 60, "the hub serves")
        edge_log = tmp_path / f"{len(changes)}-edge.yaml.log"
        wait_until(lambda: "connected to the broker" in edge_log.read_text(), 30, "the edge speaks")
        assert "authority" in run("sanfang ca list --config /etc/sanfang/hub.yaml")
        assert "broker: good until" in run(daily[0])
        run(daily[1])
