"""The worker's one broad except: whatever a batch does to the code that takes it, the lane goes on.

What is caught here is answered by taking the batch apart until the culprit stands alone in
quarantine, or is stored unjudged with an alarm (design, invariant 5). An outage is not caught.
"""

from __future__ import annotations

from collections.abc import Callable

from hub.domain.error import StoreUnavailable


def attempt(action: Callable[[], None]) -> Exception | None:
    """Do it; the error if it failed. StoreUnavailable passes: it says nothing about the data."""
    try:
        action()
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        return error
    return None
