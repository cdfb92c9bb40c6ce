"""What is kept of persons: each field with its purpose and how long (PIPL, articles 6, 17, 19). Pure.

`docs/people.md` shows this table, printed from here (`python -m hub.domain.personal docs/people.md`); a test
says when a table that names persons is not in it, or a column of it says nothing of its purpose.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Text = tuple[str, str]
"""Chinese, English."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Columns of one table that serve one purpose. `permission` is what one needs to see them."""

    table: str
    columns: tuple[str, ...]
    what: Text
    purpose: Text
    until: Text
    permission: str


_ERASED: Final = ("离校后由学校删除", "until the school erases the person")
_JOURNAL: Final = (
    "随台账保存（默认 3 年，不少于 180 天）",
    "as long as the journal (3 years; never below 180 days)",
)
_EVENTS: Final = ("190 天，不少于 180 天", "190 days; never below 180")
_ACCOUNT: Final = ("账号存续期间", "as long as there is the account")
_DUTY: Final = ("预案与值班：某时某岗是谁", "plans and duty: who stands where at a time")

PERSONAL: Final[Sequence[Kept]] = (
    Kept(
        "person",
        ("name", "active", "erased_at"),
        ("姓名、在岗与否", "name, whether in service"),
        ("报警与预案中说清找谁", "an alarm or a plan says whom to turn to"),
        _ERASED,
        "person.names",
    ),
    Kept(
        "person",
        ("person",),
        ("编号", "id"),
        ("台账只写编号", "the journal holds ids only"),
        _JOURNAL,
        "person.read",
    ),
    Kept(
        "person",
        ("account",),
        ("登录账号", "log-in account"),
        ("操作人对应到岗位", "whose act it was, at which post"),
        _ERASED,
        "person.read",
    ),
    Kept(
        "contact",
        ("ordinal", "kind", "value"),
        ("联系方式及使用顺序", "contacts in order of use"),
        ("应急时联系到人", "to reach the person in an emergency"),
        _ERASED,
        "person.contacts",
    ),
    Kept(
        "qualification",
        ("kind", "number", "issued_on", "expires_on"),
        ("资质证书", "certificates"),
        ("核查保安与消防控制室持证", "guards and control rooms must be certified"),
        _ERASED,
        "person.read",
    ),
    Kept(
        "credential",
        ("holder", "added_at"),
        ("门禁卡化名（不存卡号）", "a card's pseudonym (never its number)"),
        ("查明门禁事件涉及何人，每次查明留痕", "to find out whose card it was; each look is journaled"),
        _ERASED,
        "person.resolve",
    ),
    Kept("appointment", ("post",), ("任职", "posts held"), _DUTY, _ERASED, "person.read"),
    Kept(
        "shift",
        (
            "shift",
            "post",
            "zone",
            "days",
            "begins",
            "ends",
            "kinds",
            "cycle_days",
            "cycle_on",
            "cycle_from",
            "valid_from",
            "valid_to",
        ),
        ("班次", "shifts"),
        _DUTY,
        _ERASED,
        "roster.read",
    ),
    Kept(
        "absence",
        ("absence", "begins", "ends"),
        ("请假起止（不存事由）", "leave from and until (not why)"),
        _DUTY,
        _ERASED,
        "roster.read",
    ),
    Kept(
        "substitution",
        ("substitution", "post", "substitute", "begins", "ends"),
        ("替班", "substitutions"),
        _DUTY,
        _ERASED,
        "roster.read",
    ),
    Kept(
        "responsibility",
        ("responsibility", "zone", "duty", "rank", "valid_from", "valid_to"),
        ("一岗双责", "responsibilities"),
        ("此刻谁负责", "who answers for this now"),
        _ERASED,
        "roster.read",
    ),
    Kept(
        "committee_member",
        ("committee", "seat"),
        ("工作小组席位", "seats in committees"),
        ("责任链条", "the chain of responsibility"),
        _ERASED,
        "person.read",
    ),
    Kept(
        "incident_step",
        ("person",),
        ("预案步骤执行人编号", "who was to do a plan's step, by id"),
        ("事后复盘与追责", "to review the response afterwards"),
        ("随应急响应保存（默认 3 年）", "as long as the incident (3 years)"),
        "incident.read",
    ),
    Kept(
        "handover",
        ("from_person", "to_person", "from_account", "to_account", "note", "reason"),
        ("交接班签字（编号）与备注", "who handed over to whom, by id, and notes"),
        ("交接责任可查", "who had the duty at any minute"),
        ("长期", "for good"),
        "roster.read",
    ),
    Kept(
        "journal",
        ("actor", "body"),
        ("操作人编号、值守点、网络地址", "who acted (by id), at which station, from which address"),
        ("谁、何时、何处、为何", "who, when, from where, why"),
        _JOURNAL,
        "journal.read",
    ),
    Kept(
        "events",
        ("attributes",),
        ("门禁事件的化名", "the pseudonym in a door's events"),
        ("反复刷卡失败、尾随等判定", "to judge repeated refusals, one card twice inside"),
        _EVENTS,
        "reading.read",
    ),
    Kept(
        "quarantine",
        ("payload",),
        ("无法解析的原始报文", "what a device said and nobody could read"),
        ("排查故障；其中可能有卡号", "to mend the device; it may contain a card's number"),
        ("190 天", "190 days"),
        "quarantine.read",
    ),
    Kept(
        "account",
        ("name", "display_name"),
        ("登录名、显示名", "log-in name, display name"),
        ("谁在操作", "who acts"),
        _ACCOUNT,
        "account.read",
    ),
    Kept(
        "account",
        ("password_hash",),
        ("口令散列（Argon2）", "password, hashed (Argon2)"),
        ("登录", "to log in"),
        _ACCOUNT,
        "-",
    ),
    Kept(
        "session",
        ("station", "address", "created_at", "used_at", "expires_at", "ended_at"),
        ("登录地点、地址与时间", "where, from which address and when somebody was logged in"),
        ("发现异常登录、强制下线", "to see a strange log-in and end it"),
        ("结束后 30 天", "30 days after its end"),
        "account.read",
    ),
    Kept(
        "totp",
        ("secret", "made_at", "confirmed_at", "last_step"),
        ("动态口令密钥（用本机密钥加密）", "the authenticator's secret, sealed with the hub's key file"),
        ("修改规则与权限前的二次验证", "second factor before rules or rights are changed"),
        ("取消登记为止", "until it is removed"),
        "-",
    ),
    Kept(
        "passkey",
        ("name", "host", "public_key", "added_at", "used_at"),
        ("通行密钥的公钥与名称", "a passkey's public key and name"),
        ("修改规则与权限前的二次验证", "second factor before rules or rights are changed"),
        ("取消登记为止", "until it is removed"),
        "-",
    ),
    Kept(
        "phone",
        ("account", "name", "invited_at", "enrolled_at", "revoked_at"),
        ("保安手机：谁的、何时登记与吊销", "guards' phones: whose, when enrolled and revoked"),
        ("丢失时吊销，事后可查", "to revoke a lost one, and to know later"),
        _ACCOUNT,
        "phone.enrol",
    ),
    Kept(
        "known_browser",
        ("account", "browser_hash", "seen_at"),
        ("登录过的浏览器（随机标识的散列）", "browsers that logged in before: hash of a random mark"),
        ("他人试错口令时不影响值班屏登录", "strangers' failed log-ins do not delay them"),
        ("最近一次登录后 400 天", "400 days after the last log-in"),
        "-",
    ),
)
"""Nothing is kept of a face: drivers take no images or features in."""

NAMING: Final = ("person", "substitute", "from_person", "to_person", "holder")
"""Columns by which a table names persons."""

_BLOCK: Final = re.compile(r"(<!-- personal -->\n).*?(<!-- /personal -->)", re.DOTALL)


def print_table() -> str:
    """The table in Markdown."""
    lines = [
        "| 表与字段 table and fields | 内容 what | 目的 why | 保存 until | 权限 permission |",
        "|---|---|---|---|---|",
    ]
    for each in PERSONAL:
        columns = ", ".join(f"`{column}`" for column in each.columns)
        cells = [" · ".join(text) for text in (each.what, each.purpose, each.until)]
        lines.append(f"| `{each.table}`: {columns} | {' | '.join(cells)} | `{each.permission}` |")
    return "\n".join(lines)


def embed(page: str) -> str:
    """The page with the table between its markers made anew."""
    return _BLOCK.sub(lambda match: f"{match[1]}{print_table()}\n{match[2]}", page)


def main(arguments: list[str]) -> int:
    """Write the table into the pages named."""
    for name in arguments:
        page = Path(name)
        page.write_text(embed(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
