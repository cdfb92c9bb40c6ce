"""Who may see, change and give rights to whom. Pure.

Three rules. Nobody gives more than he has, and only where he may give at all. Nobody changes an account that
has a right which he could not have given himself. The hub never loses its last administrator, and nobody takes
rights away from himself: whoever locks himself out by mistake could lock everybody out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from hub.domain.permission import ROLES, Access, Grant, Role, excess

GIVING: Final = "account.edit"
SEEING: Final = "account.read"
EVERYWHERE: Final = Grant(Role.ADMINISTRATOR)
"""An administrator of the whole hub; there is always one."""


def may_give(giver: Access, wanted: Grant) -> bool:
    """Whether he may give this grant, or take it away from somebody else."""
    area = _area_of(giver, wanted)
    return _holds(giver, GIVING, wanted, area) and not excess(wanted, giver.grants, area)


def may_change(actor: Access, grants: Iterable[Grant]) -> bool:
    """Whether he may disable, invite anew or log out an account with these grants: he could have given each.
    An account without any is nobody's but of those who administer the whole hub.
    """
    held = tuple(grants)
    if not held:
        return EVERYWHERE in actor.grants
    return all(may_give(actor, grant) for grant in held)


def seen(viewer: Access, grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """Those of an account's grants that reach into what the viewer may see accounts of."""
    sites = viewer.sites_where(SEEING)
    return tuple(
        grant
        for grant in grants
        if _holds(viewer, SEEING, grant, _area_of(viewer, grant))
        or any(grant.covers(site, viewer.places[site]) for site in sites)
    )


def administrators(accounts: Mapping[str, Iterable[Grant]]) -> frozenset[str]:
    """Which of these accounts, all of which can log in, administer the whole hub."""
    return frozenset(account for account, grants in accounts.items() if EVERYWHERE in grants)


def _holds(access: Access, permission: str, wanted: Grant, area: tuple[str, ...] | None) -> bool:
    if access.scope is not None and permission not in access.scope:
        return False
    return any(permission in ROLES[grant.role] and wanted.within(grant, area) for grant in access.grants)


def _area_of(access: Access, grant: Grant) -> tuple[str, ...] | None:
    return access.places.get(grant.site) if grant.site is not None else None
