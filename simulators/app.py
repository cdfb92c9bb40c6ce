"""`sanfang simulate`: runs a campus until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

from simulators.campus import Campus, CampusError, check_campus, read_campus
from simulators.control import Control, send_order
from simulators.device import OrderRefused
from simulators.world import SimulationOptions, World

__all__ = [
    "CampusError",
    "OrderRefused",
    "SimulationOptions",
    "check_campus",
    "read_campus",
    "run_simulation",
    "send_order",
]

_log = logging.getLogger(__name__)


def run_simulation(campus: Path, options: SimulationOptions) -> int:
    """Simulate a campus until SIGTERM or SIGINT, then return 0. Raises CampusError with every fault of
    campus.yaml, and for a port in use or a folder that cannot be written.
    """
    document = read_campus(campus)
    pid_file = None if options.run_dir is None else options.run_dir / "simulator.pid"
    try:
        if pid_file is not None:
            pid_file.parent.mkdir(parents=True, exist_ok=True)
            pid_file.write_text(f"{os.getpid()}\n")
        asyncio.run(_run(document, options))
    except OSError as error:
        raise CampusError([f"{campus}: the campus cannot be simulated: {error}"]) from None
    finally:
        if pid_file is not None:
            pid_file.unlink(missing_ok=True)
    return 0


async def _run(campus: Campus, options: SimulationOptions) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    world = World(campus, options)
    control = Control(world, options.control_port) if options.control_port else None
    try:
        await world.start()
        if control is not None:
            await control.start()
        _log.info("campus %s: %d devices", campus.campus, len(world.devices))
        watch = asyncio.create_task(world.watch())
        wait = asyncio.create_task(stopped.wait())
        await asyncio.wait((watch, wait), return_when=asyncio.FIRST_COMPLETED)
        wait.cancel()
        if watch.done():
            watch.result()
        watch.cancel()
    finally:
        if control is not None:
            await control.stop()
        await world.stop()
