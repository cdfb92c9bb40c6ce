"""Orders: `VERB DEVICE WORDS…`, as `press gate-button` or `fire fire-panel 5 on`."""

from __future__ import annotations

from collections.abc import Mapping

from simulators.device import Act, Device, OrderRefused


def carry_out(devices: Mapping[str, Device], order: str) -> str:
    """Do what an order to a device says and tell what was done. Raises OrderRefused."""
    act, words = _resolve(devices, order)
    return act.do(words)


def check_order(devices: Mapping[str, Device], order: str) -> None:
    """Raise OrderRefused where verb or device do not exist; the further words are not tried."""
    _resolve(devices, order)


def list_acts(devices: Mapping[str, Device]) -> list[str]:
    """One line for each verb: its form, what it means, and to which devices it can be done."""
    lines: dict[str, tuple[str, str]] = {}
    able: dict[str, list[str]] = {}
    for device in devices.values():
        for verb, act in device.acts().items():
            key = f"{verb} DEVICE {act.form}".strip()
            lines.setdefault(key, (verb, act.says))
            able.setdefault(key, []).extend([device.name, *device.parts()] if device.parts() else [device.name])
    return [f"{key} — {lines[key][1]} ({_shorten(able[key])})" for key in sorted(lines)]


def _shorten(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more"


def _resolve(devices: Mapping[str, Device], order: str) -> tuple[Act, list[str]]:
    verb, *words = order.split() or [""]
    verbs = sorted({name for device in devices.values() for name in device.acts()})
    if verb not in verbs:
        raise OrderRefused(f"{verb!r} is no order; say one of {', '.join(verbs)}, or help")
    if not words:
        raise OrderRefused(f"{verb}: say to which device: {_shorten(_able(devices, verb))}")
    device, part = _find_device(devices, words[0])
    act = device.acts().get(verb)
    if act is None:
        raise OrderRefused(f"{verb} cannot be done to {device.name}, only to {_shorten(_able(devices, verb))}")
    return act, ([part] if part else []) + words[1:]


def _find_device(devices: Mapping[str, Device], name: str) -> tuple[Device, str]:
    """The device, and the word for a part of it where the name is a part's."""
    if name in devices:
        return devices[name], ""
    for device in devices.values():
        if name in device.parts():
            return device, device.parts()[name]
    near = [known for known in devices if name in known or known in name]
    raise OrderRefused(
        f"there is no device {name!r}" + (f"; did you mean {', '.join(near[:5])}?" if near else "")
    )


def _able(devices: Mapping[str, Device], verb: str) -> list[str]:
    return [device.name for device in devices.values() if verb in device.acts()]
