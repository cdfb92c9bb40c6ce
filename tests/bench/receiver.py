"""What the hub's own subscriber receives when nothing is done with it: an inbox that only counts."""

from __future__ import annotations

import json
import sys
import threading
import time

from hub.intake.inbox import Arrival, Inbox
from hub.intake.subscriber import Subscriber
from hub.settings import BrokerSettings


class Counter(Inbox):
    """Counts what arrives and keeps nothing."""

    def __init__(self, expected: int) -> None:
        super().__init__()
        self._expected = expected
        self.count = 0
        self.begun = self.ended = 0.0
        self.full = threading.Event()

    def put(self, arrival: Arrival) -> None:
        """Count one."""
        if not self.count:
            self.begun = time.monotonic()
        self.count += 1
        if self.count >= self._expected:
            self.ended = time.monotonic()
            self.full.set()


def main() -> None:
    order = json.loads(sys.stdin.readline())
    inbox = Counter(order["count"])
    subscriber = Subscriber(BrokerSettings(host="127.0.0.1", port=order["port"]), inbox)
    subscriber.start()
    subscriber.watch([order["site"]])
    while subscriber.away_s():
        time.sleep(0.01)
    time.sleep(0.3)  # its subscriptions are on their way
    print(json.dumps({"ready": True}), flush=True)
    inbox.full.wait(120.0)
    print(json.dumps({"count": inbox.count, "took_s": inbox.ended - inbox.begun}), flush=True)
    subscriber.stop()


if __name__ == "__main__":
    main()
