"""The sheets of an import, in the order in which they are taken: places and people, then what names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hub.bulk.cell import (
    as_choice,
    as_choices,
    as_date,
    as_line,
    as_name,
    as_names,
    as_number,
    as_time,
    as_weekdays,
)
from hub.bulk.places import PLACES
from hub.bulk.table import Column, Table
from hub.domain.calendar import DayKind
from hub.domain.responsibility import DUTIES
from hub.domain.staffing import QUALIFICATIONS

YES: Final = {
    "是": "yes",
    "yes": "yes",
    "true": "yes",
    "1": "yes",
    "否": "no",
    "no": "no",
    "false": "no",
    "0": "no",
}
CONTACTS: Final = {"手机": "mobile", "电话": "phone", "短信": "sms", "微信": "wechat", "邮箱": "email"}
RANKS: Final = {"第一责任人": "first", "first": "first", "副": "deputy", "deputy": "deputy"}
DAYS: Final = {
    "上学日": DayKind.SCHOOL,
    "调休上课": DayKind.MAKEUP,
    "考试日": DayKind.EXAM,
    "周末": DayKind.WEEKEND,
    "节假日": DayKind.HOLIDAY,
    "假期": DayKind.VACATION,
}


def _words(names: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What people may write for each: its key, its Chinese and its English name."""
    return {
        **{text["zh"]: key for key, text in names.items()},
        **{text["en"].casefold(): key for key, text in names.items()},
        **{key: key for key in names},
    }


_PERSON: Final = Column(
    "person", "人员编号", "Person", as_name, required=True, note="小写字母、数字、- 或 _，一人一号，不再改"
)
PEOPLE: Final = Table(
    "people",
    "人员",
    "People",
    (
        _PERSON,
        Column("name", "姓名", "Name", as_line, required=True),
        Column("posts", "岗位", "Posts", as_names, default=(), width=30, note="岗位编号，用逗号分开"),
        Column("active", "在岗", "Active", as_choice(YES), default="yes", note="是 / 否"),
    ),
    key=("person",),
)
CONTACT: Final = Table(
    "contacts",
    "联系方式",
    "Contacts",
    (
        _PERSON,
        Column(
            "kind",
            "方式",
            "Kind",
            as_choice({**CONTACTS, **{kind: kind for kind in CONTACTS.values()}}),
            required=True,
            note="、".join(CONTACTS),
        ),
        Column("value", "号码", "Value", as_line, required=True, width=20, note="按行的先后依次使用"),
    ),
    key=("person", "kind", "value"),
)
QUALIFICATION: Final = Table(
    "qualifications",
    "资质",
    "Qualifications",
    (
        _PERSON,
        Column(
            "kind",
            "证书",
            "Kind",
            as_choice(_words(QUALIFICATIONS)),
            required=True,
            width=24,
            note="、".join(text["zh"] for text in QUALIFICATIONS.values()),
        ),
        Column("number", "证号", "Number", as_line, default="", width=22),
        Column("issued_on", "发证日期", "Issued", as_date),
        Column("expires_on", "有效期至", "Expires", as_date, note="最后一天；空：长期有效"),
    ),
    key=("person", "kind"),
)
SHIFT: Final = Table(
    "shifts",
    "班次",
    "Shifts",
    (
        Column("shift", "班次号", "Shift", as_number, note="空：新班次；填导出表中的号：修改该班次"),
        Column("post", "岗位", "Post", as_name, required=True),
        _PERSON,
        Column("zone", "区域", "Zone", as_name),
        Column(
            "days", "星期", "Weekdays", as_weekdays, default=(1, 2, 3, 4, 5, 6, 7), note="1-5，或 周一至周五"
        ),
        Column(
            "kinds",
            "日别",
            "Kinds of day",
            as_choices({**DAYS, **{kind.value: kind for kind in DayKind}}),
            default=(),
            width=20,
            note="、".join(DAYS) + "；空：每天",
        ),
        Column("begins", "开始", "Begins", as_time, required=True, note="07:30"),
        Column("ends", "结束", "Ends", as_time, required=True, note="不晚于开始：到次日"),
        Column("cycle_days", "轮班天数", "Cycle days", as_number, note="轮班一轮的天数；有它就不看星期"),
        Column("cycle_on", "轮班当值", "Cycle on", as_line, note="一轮中的第几天当值，从 0 数，用逗号分开"),
        Column("cycle_from", "轮班起点", "Cycle from", as_date, note="第 0 天的日期"),
        Column("valid_from", "生效", "Valid from", as_date),
        Column("valid_to", "失效", "Valid to", as_date, note="最后一天"),
    ),
    key=("shift", "post", "person", "zone", "days", "kinds", "begins", "ends", "cycle_on", "valid_from"),
)
RESPONSIBILITY: Final = Table(
    "responsibilities",
    "责任",
    "Responsibilities",
    (
        Column("zone", "区域", "Zone", as_name, note="空：全校"),
        Column(
            "duty",
            "职责",
            "Duty",
            as_choice(_words(DUTIES)),
            required=True,
            width=24,
            note="、".join(text["zh"] for text in DUTIES.values()),
        ),
        _PERSON,
        Column("rank", "责任", "Rank", as_choice(RANKS), default="first", note="第一责任人 / 副"),
        Column("valid_from", "生效", "Valid from", as_date),
        Column("valid_to", "失效", "Valid to", as_date, note="最后一天"),
    ),
    key=("zone", "duty", "person"),
)
TABLES: Final = (*PLACES, PEOPLE, CONTACT, QUALIFICATION, SHIFT, RESPONSIBILITY)
