"""What whoever sits at the hub's own machine may do for an administrator who is locked out.

He can read the database anyway; this way it is journaled, and done right.
"""

from __future__ import annotations

from datetime import datetime

from hub.accounts.invitation import Invitation, make_invitation
from hub.accounts.record import recording_on
from hub.domain.error import NotFound
from hub.domain.permission import Grant
from hub.store.account import end_sessions
from hub.store.area import EVERY_SITE
from hub.store.database import Connection, set_area
from hub.store.factor import remove_factors
from hub.store.right import AccountRow, list_accounts, lock_rights, set_disabled


def describe_accounts(connection: Connection) -> list[str]:
    """Every account, one line each."""
    return [_line(row) for row in list_accounts(connection)]


def reset_account(
    connection: Connection, name: str, *, second_factor: bool, actor: str, now: datetime
) -> Invitation:
    """A link for a new password, on an account that is enabled from now on; with `second_factor` what it had
    enrolled is gone, and its sessions have ended. Raises NotFound.
    """
    set_area(connection, EVERY_SITE)
    found = [row for row in list_accounts(connection) if row.name == name]
    if not found:
        known = ", ".join(row.name for row in list_accounts(connection)) or "none"
        raise NotFound(f"NAME: there is no account {name!r}; the hub has {known}")
    account = found[0].account
    with recording_on(connection, account, now) as record:
        lock_rights(connection)
        if found[0].disabled_at is not None:
            set_disabled(connection, account, None)
            record.write(actor, account, "account.enabled", {})
        if second_factor and remove_factors(connection, account):
            end_sessions(connection, account, now)
            record.write(actor, account, "account.factor_removed", {"factor": "all"})
        record.write(actor, account, "account.invited", {"again": True})
        return make_invitation(record, account, actor)


def _line(row: AccountRow) -> str:
    state = "disabled" if row.disabled_at else "active" if row.has_password else "invited"
    roles = "; ".join(_grant(grant) for grant in row.grants) or "no role"
    factors = ", ".join(row.second_factors) or "no second factor"
    return f"{row.name}  {row.account}  {state}  {factors}  {roles}"


def _grant(grant: Grant) -> str:
    where = grant.site or " › ".join(grant.area) or "everywhere"
    return f"{grant.role.value} ({where})"
