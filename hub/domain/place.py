"""Words for places: classes of zones, and the key locations that GB/T 29315-2022 asks to be protected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KEY_LOCATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "gate_outside": ("学校大门外一定区域", "area outside the school gate"),
    "perimeter": ("学校周界", "school perimeter"),
    "gate": ("学校大门口", "school gate"),
    "gatehouse": ("门卫室（传达室）", "gatehouse"),
    "outdoor_assembly": ("室外人员集中活动区域", "outdoor assembly area"),
    "indoor_assembly": ("室内人员集中活动区域", "indoor assembly area"),
    "teaching_passage": ("教学区域主要通道和出入口", "main passages and entrances of the teaching area"),
    "dormitory": ("学生宿舍楼（区）主要出入口和值班室", "dormitory entrances and duty room"),
    "canteen": ("食堂操作间、储藏室及就餐区域", "kitchen, food store and dining area"),
    "chemicals": ("危险化学品储存室、实验室", "store and laboratory of dangerous chemicals"),
    "valuables": ("贵重物品存放处", "store of valuables"),
    "records": ("档案室、试卷保密室", "archive, examination papers"),
    "utilities": ("水、电、气、热等设备间", "plant rooms: water, power, gas, heat"),
    "server_room": ("网络机房", "server room"),
    "security_room": ("安防监控室", "security room"),
    "vehicles": ("校车及机动车停放区域", "school buses and vehicles"),
}
"""Our word -> (Chinese, English). The standard names sixteen; its text was not at hand, and this list is put
together from its 2012 edition and from notices: **to be verified** before it is quoted as a requirement.
"""
