"""Who may do what, where: roles, the one table role → permissions, and grants of a role over an area. Pure.

A permission is named `<noun>.<verb>`. `docs/access.md` shows this table, printed from here
(`python -m hub.domain.permission docs/access.md`); a test says when the page is behind.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final


class Role(StrEnum):
    """What somebody is at a site, or over an area."""

    OPERATOR = "operator"
    GUARD = "guard"
    SAFETY_OFFICER = "safety_officer"
    PRINCIPAL = "principal"
    MAINTENANCE = "maintenance"
    BUREAU = "bureau"
    INTEGRATOR = "integrator"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


ROLE_NAMES: Final[Mapping[Role, tuple[str, str]]] = {
    Role.OPERATOR: ("值班员", "security-room operator"),
    Role.GUARD: ("保安员", "guard"),
    Role.SAFETY_OFFICER: ("安全管理员", "safety officer"),
    Role.PRINCIPAL: ("校长", "principal"),
    Role.MAINTENANCE: ("维护人员", "maintenance"),
    Role.BUREAU: ("主管部门", "education bureau"),
    Role.INTEGRATOR: ("集成商", "integrator"),
    Role.ADMINISTRATOR: ("系统管理员", "administrator"),
    Role.AUDITOR: ("审计员", "auditor"),
}

PERMISSIONS: Final[Mapping[str, tuple[str, str]]] = {
    "site.read": ("查看校园、区域、设备与总览", "see the site, its zones, devices and overview"),
    "site.edit": ("修改区域、设备、岗位与值守设置", "change zones, devices, posts, escalation"),
    "site.move": ("变更所属市县", "move the site to another city or county, and so under other people"),
    "site.export": ("导出整个校园", "take the whole site out as an archive"),
    "live.follow": ("实时画面", "follow the live stream"),
    "screen.report": ("值守屏报到", "report as a security room's screen"),
    "alarm.read": ("查看报警", "see alarms"),
    "alarm.raise": ("人工报警", "raise an alarm by hand"),
    "alarm.acknowledge": ("接警", "acknowledge an alarm"),
    "alarm.silence": ("消音", "silence an alarm"),
    "alarm.verify": ("核警", "verify an alarm"),
    "alarm.reset": ("复位", "reset an alarm"),
    "alarm.note": ("报警备注", "write a note on an alarm"),
    "alarm.respond": ("处置派员", "say who goes, accepts, arrives, reports"),
    "hazard.read": ("查看隐患", "see hazards"),
    "hazard.report": ("上报隐患", "report a hazard"),
    "hazard.handle": ("整改隐患", "work on a hazard"),
    "hazard.close": ("隐患验收、挂起、撤销", "close, reject, defer or dismiss a hazard"),
    "incident.read": ("查看应急响应与预案", "see incidents and plans"),
    "incident.start": ("启动应急响应", "start an incident"),
    "incident.handle": ("应急响应处置", "lead an incident, work its steps"),
    "incident.release": ("放行预案联动", "release what a plan holds back"),
    "command.read": ("查看联动指令", "see orders to devices"),
    "command.request": ("下达联动指令", "order something of a device"),
    "reading.read": ("查看读数与事件", "see readings and events"),
    "record.export": ("导出数据文件", "take readings, events, alarms out as files"),
    "mode.read": ("查看模式", "see modes"),
    "mode.arm": ("布防撤防", "arm and disarm"),
    "mode.test": ("测试模式", "put something in test"),
    "mode.exam": ("考试模式", "begin and end exam mode"),
    "mode.threaten": ("防恐等级", "set the threat level"),
    "rule.read": ("查看规则", "see the rules"),
    "rule.edit": ("修改规则", "change the rules"),
    "calendar.read": ("查看校历", "see the school calendar"),
    "calendar.edit": ("修改校历", "change the school calendar"),
    "floorplan.read": ("查看平面图", "see floor plans"),
    "floorplan.edit": ("修改平面图", "change floor plans"),
    "person.names": ("看到人员姓名", "see persons' names where they occur"),
    "person.read": ("查看人员、岗位与资质", "see persons, their posts and qualifications"),
    "person.contacts": ("查看联系方式", "see persons' contacts"),
    "person.edit": ("修改人员", "change persons"),
    "person.resolve": ("还原门禁化名", "resolve a door event's pseudonym to a person"),
    "person.export": ("导出个人数据", "take one person's data out for that person"),
    "person.erase": ("删除个人数据", "erase a person's data"),
    "roster.read": ("查看排班与责任", "see roster and responsibilities"),
    "roster.edit": ("修改排班与责任", "change roster and responsibilities"),
    "roster.handover": ("交接班", "hand a shift over and sign"),
    "journal.read": ("查看台账", "read the journal"),
    "journal.verify": ("校验台账", "verify the journal, export it with its anchors"),
    "quarantine.read": ("查看隔离数据", "see items that could not be taken"),
    "quarantine.retry": ("重试隔离数据", "have such an item tried again"),
    "reader.read": ("查看对外推送", "see what reads the journal outwards"),
    "bulk.import": ("批量导入", "import people, zones, devices, roster from a file"),
    "bulk.export": ("批量导出", "take people, zones, devices, roster out as a file"),
    "account.read": ("查看账号", "see accounts, grants, sessions"),
    "account.edit": ("管理账号与授权", "create and disable accounts, change grants"),
    "token.edit": ("管理接口令牌", "make and revoke API tokens"),
    "phone.enrol": ("登记保安手机", "enrol and revoke guards' devices"),
}
"""Every permission, with what it allows in Chinese and English."""

SECOND_FACTOR: Final = frozenset({"rule.edit", "account.edit", "token.edit", "person.erase", "site.move"})
"""What changes rules or rights, or cannot be undone: only for a session that showed a second factor."""
FOLLOWING: Final = ("live.follow", "person.names")
"""What the live stream takes: it is written once for all screens, and shows names."""
NOT_BY_TOKEN: Final = frozenset({"account.edit", "token.edit", "phone.enrol", "site.move"})
"""What makes rights: never done by a program with an API token."""


def _all(names: str) -> frozenset[str]:
    return frozenset(names.split())


_LOOK: Final = _all(
    "site.read alarm.read hazard.read incident.read command.read reading.read mode.read rule.read calendar.read"
    " floorplan.read"
)
# The live stream shows names; a bureau asks for the overview instead, which is written for each asker.
_STAFF: Final = _LOOK | _all("live.follow person.names roster.read")
_AT_THE_ALARM: Final = _all("alarm.raise alarm.acknowledge alarm.note alarm.respond hazard.report")
_ROOM: Final = (
    _STAFF
    | _AT_THE_ALARM
    | _all(
        "screen.report alarm.silence alarm.verify alarm.reset hazard.handle incident.start incident.handle"
        " command.request mode.arm mode.test roster.handover person.read person.contacts journal.read"
    )
)
_SAFETY: Final = _ROOM | _all(
    "hazard.close incident.release record.export mode.exam calendar.edit floorplan.edit person.edit roster.edit"
    " journal.verify bulk.export phone.enrol"
)

ROLES: Final[Mapping[Role, frozenset[str]]] = {
    Role.OPERATOR: _ROOM,
    Role.GUARD: _STAFF | _AT_THE_ALARM | _all("alarm.verify roster.handover"),
    Role.SAFETY_OFFICER: _SAFETY | _all("bulk.import person.resolve"),
    Role.PRINCIPAL: _SAFETY | _all("mode.threaten person.resolve person.export account.read"),
    Role.MAINTENANCE: _LOOK
    | _all("live.follow person.names hazard.report hazard.handle mode.test quarantine.read alarm.note"),
    # A bureau reads its schools, and nobody's personal data: neither names nor the journal.
    Role.BUREAU: _LOOK | _all("record.export"),
    Role.INTEGRATOR: _LOOK
    | _all("site.edit floorplan.edit quarantine.read quarantine.retry reader.read record.export mode.test"),
    Role.ADMINISTRATOR: frozenset(PERMISSIONS),
    Role.AUDITOR: _STAFF
    | _all("journal.read journal.verify account.read quarantine.read reader.read record.export person.read"),
}
"""The one table: what each role may do where it is granted."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role at one site (`site`), over a city or county (`area`, a prefix of the site's), or everywhere."""

    role: Role
    site: str | None = None
    area: tuple[str, ...] = ()

    def covers(self, site: str, area: tuple[str, ...]) -> bool:
        """Whether a site in that area (city, county) is one of the grant's."""
        if self.site is not None:
            return self.site == site
        return area[: len(self.area)] == self.area

    def within(self, other: Grant, area_of_site: tuple[str, ...] | None = None) -> bool:
        """Whether `other` covers all that this grant covers; `area_of_site`: where this grant's site is, None
        where there is no such site any more.
        """
        if other.site is not None:
            return self.site == other.site
        if not other.area:
            return True
        area = self.area if self.site is None else area_of_site
        return area is not None and area[: len(other.area)] == other.area


@dataclass(frozen=True)
class Access:
    """What somebody may do: his grants, over the sites there are, within the scope of what he came with."""

    account: str
    grants: tuple[Grant, ...]
    places: Mapping[str, tuple[str, ...]]
    """Site -> its area, for every site that a grant covers."""
    scope: frozenset[str] | None = None
    """An API token's or a phone's permissions; None: all that the roles give."""

    def narrowed(self, scope: frozenset[str], sites: Collection[str]) -> Access:
        """The same within some permissions and some sites: what a token or a phone of his may do."""
        held = scope if self.scope is None else scope & self.scope
        places = {site: area for site, area in self.places.items() if site in sites}
        return Access(self.account, self.grants, places, held)

    @cached_property
    def sites(self) -> frozenset[str]:
        """The sites that he sees at all."""
        return frozenset(self.places)

    def roles(self, site: str) -> frozenset[Role]:
        """His roles at a site; none where he does not see it."""
        area = self.places.get(site)
        if area is None:
            return frozenset()
        return frozenset(grant.role for grant in self.grants if grant.covers(site, area))

    def permissions(self, site: str) -> frozenset[str]:
        """All that he may do at a site."""
        given = frozenset[str]().union(*(ROLES[role] for role in self.roles(site)))
        return given if self.scope is None else given & self.scope

    def may(self, permission: str, site: str) -> bool:
        """Whether he may do that at a site. Raises KeyError for a permission that there is not."""
        PERMISSIONS[permission]
        if self.scope is not None and permission not in self.scope:
            return False
        return any(permission in ROLES[role] for role in self.roles(site))

    def sites_where(self, *permissions: str) -> frozenset[str]:
        """The sites at which he may do all of that."""
        return frozenset(
            site for site in self.places if all(self.may(permission, site) for permission in permissions)
        )

    def may_somewhere(self, permission: str) -> bool:
        """Whether a grant gives it at all, even where there is no site yet."""
        PERMISSIONS[permission]
        if self.scope is not None and permission not in self.scope:
            return False
        return any(permission in ROLES[grant.role] for grant in self.grants)


def excess(
    wanted: Grant, grants: Iterable[Grant], area_of_site: tuple[str, ...] | None = None
) -> frozenset[str]:
    """What of a wanted grant the giver does not have himself over all of its area; empty: he may give it."""
    held = frozenset[str]().union(
        *(ROLES[grant.role] for grant in grants if wanted.within(grant, area_of_site))
    )
    return ROLES[wanted.role] - held


_BLOCK: Final = re.compile(r"(<!-- permissions -->\n).*?(<!-- /permissions -->)", re.DOTALL)


def print_table() -> str:
    """The table of permissions by role, in Markdown."""
    heads = [f"{zh}<br>{role}" for role, (zh, _) in ROLE_NAMES.items()]
    lines = [f"| permission | {' | '.join(heads)} |", "|---|" + ":-:|" * len(heads)]
    for permission, (zh, en) in PERMISSIONS.items():
        marks = ["●" if permission in ROLES[role] else "" for role in ROLE_NAMES]
        lines.append(f"| `{permission}` {zh} · {en} | {' | '.join(marks)} |")
    return "\n".join(lines)


def embed(page: str) -> str:
    """The page with the table between its markers made anew."""
    return _BLOCK.sub(lambda match: f"{match[1]}{print_table()}\n{match[2]}", page)


def main(arguments: list[str]) -> int:
    """Write the table into the pages named."""
    for argument in arguments:
        page = Path(argument)
        page.write_text(embed(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0 if arguments else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
