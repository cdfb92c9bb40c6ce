"""The control address of a running simulation: `POST /do {"order": "press gate-button"}`."""

from __future__ import annotations

import asyncio
import json
import logging
import urllib.error
import urllib.request

from simulators.device import OrderRefused
from simulators.web import Request, WebServer, answer
from simulators.world import World

_log = logging.getLogger(__name__)


class Control:
    """Serves `POST /do` and `GET /status` on the loopback."""

    def __init__(self, world: World, port: int) -> None:
        self._world = world
        self._web = WebServer("127.0.0.1", port, self._handle)

    async def start(self) -> None:
        """Listen. Raises OSError."""
        await self._web.start()

    async def stop(self) -> None:
        await self._web.stop()

    async def _handle(self, request: Request, writer: asyncio.StreamWriter) -> None:
        status, document = self._answer(request)
        body = json.dumps(document, ensure_ascii=False).encode() + b"\n"
        await answer(writer, status, body, "application/json")

    def _answer(self, request: Request) -> tuple[int, dict[str, object]]:
        if request.path == "/status" and request.method == "GET":
            return 200, self._world.status()
        if request.path != "/do":
            return 404, {"message": "there are POST /do and GET /status"}
        if request.method != "POST":
            return 405, {"message": "orders are posted"}
        # A page in someone's browser can post a form to the loopback, but not this type without asking.
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return 415, {"message": "send application/json"}
        try:
            document = json.loads(request.body)
            order = document["order"]
        except (ValueError, KeyError, TypeError):
            order = None
        if not isinstance(order, str):
            return 422, {"message": 'send {"order": "press gate-button"}; the order help lists them'}
        try:
            done = self._world.do(order)
        except OrderRefused as refusal:
            return 422, {"message": str(refusal)}
        _log.info("order: %s", order)
        return 200, {"done": done}


def send_order(control: str, order: str) -> str:
    """Give an order to a running simulation at its control address (`http://127.0.0.1:N`) and return
    what was done. Raises OrderRefused where it cannot be done, OSError where nobody answers.
    """
    request = urllib.request.Request(
        control.rstrip("/") + "/do",
        data=json.dumps({"order": order}).encode(),
        headers={"Content-Type": "application/json"},
    )
    # No proxy of the environment: the simulation is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10.0) as response:
            return str(json.load(response)["done"])
    except urllib.error.HTTPError as error:
        with error:
            raise OrderRefused(str(json.load(error)["message"])) from None
