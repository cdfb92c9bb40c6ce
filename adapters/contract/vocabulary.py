"""The trade's words that edge and hub share: lanes, families, event kinds, points, qualities.

The table is the vocabulary's single home in code; docs and checks are generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Lane(IntEnum):
    """Two lanes from spool to hub, each strictly first-in-first-out; alarm is drained first."""

    ALARM = 1
    TELEMETRY = 2


class Priority(StrEnum):
    """Alarm priorities, most urgent first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for critical … 3 for low; smaller is more urgent."""
        return _RANKS[self]


_RANKS: Final = {Priority.CRITICAL: 0, Priority.HIGH: 1, Priority.MEDIUM: 2, Priority.LOW: 3}


class Quality(IntEnum):
    """Quality of a reading; only `GOOD` and `UNCERTAIN` may be judged as values."""

    GOOD = 0
    UNCERTAIN = 1
    STALE = 2
    BAD = 3
    MISSING = 4

    @property
    def usable(self) -> bool:
        return self in (Quality.GOOD, Quality.UNCERTAIN)


FAMILIES: Final[dict[str, tuple[str, str]]] = {
    "access_control": ("门禁", "access control"),
    "fire_alarm": ("火灾报警", "fire alarm"),
    "camera": ("视频监控", "camera"),
    "panic_button": ("一键报警", "one-key alarm"),
    "intrusion": ("入侵报警", "intrusion"),
    "environment": ("环境监测", "environment"),
    "electrical": ("电气火灾监控", "electrical"),
    "patrol": ("电子巡更", "patrol"),
    "visitor": ("访客", "visitor"),
    "broadcast": ("广播警号", "broadcast and sirens"),
    "barrier": ("防冲撞设施", "barrier"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One event kind: condition (begins and ends) or momentary (happens), latching or not.

    `default_priority` is what the alarm gets where no rule speaks (an item that could not be
    judged, or has no receipt yet); None for kinds that the shipped rules only record.
    """

    name: str
    zh: str
    en: str
    condition: bool
    latching: bool
    default_priority: Priority | None
    lane: Lane
    life_safety: bool = False
    """Never shelved nor suppressed: fire, panic, duress, medical, gas, CO, their supervision."""


_TELEMETRY_KINDS: Final = frozenset(
    {"door.exit_button", "access.granted", "device.restarted", "patrol.checked", "visitor.arrived"}
)
_LIFE_SAFETY: Final = frozenset(
    {
        "panic.pressed", "panic.duress", "medical.requested", "fire.alarm", "fire.manual_call_point",
        "fire.fault", "fire.isolated", "gas.alarm", "co.alarm", "access.duress", "edge.offline",
        "edge.spool_dropping", "edge.spool_failed", "lane.gap", "broker.offline", "store.unavailable",
        "hub.lost", "screen.silent", "intake.unreadable", "rule.broken",
    }
)  # fmt: skip

# name | zh | en | C or M | latching | default priority: c h m l or - (recorded only)
_TABLE: Final = """
panic.pressed | 一键报警 | one-key alarm | M | L | c
panic.duress | 胁迫报警 | duress alarm | M | L | c
panic.test | 报警按钮测试 | alarm button test | M | | -
medical.requested | 医疗求助 | medical help requested | M | L | c
fire.alarm | 火警 | fire alarm | C | L | h
fire.manual_call_point | 手动火灾报警按钮 | manual call point | C | L | c
fire.first_alarm | 首警 | first alarm | M | | -
fire.prealarm | 预警 | fire pre-alarm | C | | m
fire.delay | 延时 | output delay running | C | | -
fire.output_started | 联动启动 | fire output started | C | | -
fire.feedback | 联动反馈 | fire output feedback | C | | -
fire.fault | 火灾系统故障 | fire system fault | C | | m
fire.isolated | 屏蔽 | fire device isolated | C | | m
fire.supervisory | 监管 | fire supervisory | C | | m
fire.control_mode | 联动控制手动 | fire control in manual | C | | m
fire.silenced | 消音 | panel silenced | C | | -
fire.reset | 复位 | panel reset | M | | -
fire.test | 测试 | fire test | C | | -
fire.door_state | 防火门状态异常 | fire door abnormal | C | | m
fire.pump_fault | 消防泵故障 | fire pump fault | C | | m
fire.valve_closed | 阀门关闭 | fire valve closed | C | | m
smoke.dirty | 探测器污染 | detector dirty | C | | l
gas.alarm | 可燃气体报警 | combustible gas alarm | C | L | c
co.alarm | 一氧化碳报警 | carbon monoxide alarm | C | L | c
water.leak | 漏水 | water leak | C | | m
door.opened | 门开 | door open | C | | -
door.locked | 上锁 | door locked | C | | -
door.unlocked | 开锁 | door unlocked | C | | -
door.forced | 强行闯入 | door forced | C | L | h
door.held | 开门超时 | door held open | C | | l
door.exit_button | 出门按钮 | exit button | M | | -
door.emergency_break | 紧急破玻 | emergency break-glass | C | | h
door.released_by_fire | 消防联动开门 | door released by fire | C | | -
door.fault | 门禁故障 | door fault | C | | l
line.open | 断路 | line open | C | | l
line.short | 短路 | line short | C | | l
access.granted | 合法通行 | access granted | M | | -
access.denied | 拒绝通行 | access denied | M | | -
access.duress | 胁迫开门 | duress opening | M | L | c
access.passback | 反潜回违规 | anti-passback violation | M | | l
access.tailgating | 尾随 | tailgating | M | | m
area.armed | 布防 | area armed | C | | -
area.disarmed | 撤防 | area disarmed | M | | -
point.bypassed | 旁路 | point bypassed | C | | -
intrusion.alarm | 入侵报警 | intrusion alarm | C | L | h
perimeter.alarm | 周界报警 | perimeter alarm | C | L | h
barrier.raised | 防冲撞设施升起 | barrier raised | C | | -
barrier.lowered | 防冲撞设施降下 | barrier lowered | C | | -
barrier.fault | 防冲撞设施故障 | barrier fault | C | | l
camera.signal_lost | 视频丢失 | video lost | C | | m
camera.frozen | 画面冻结 | picture frozen | C | | m
camera.covered | 镜头遮挡 | lens covered | C | | m
camera.defocused | 画面模糊 | picture out of focus | C | | l
camera.moved | 镜头移位 | camera moved | C | | m
camera.dark | 画面过暗 | picture too dark | C | | l
camera.motion | 移动侦测 | motion | C | | -
camera.intrusion | 区域入侵 | area intrusion | C | | h
camera.line_crossed | 越界 | line crossed | M | | h
camera.crowd | 人员密度过高 | crowd density | C | | h
camera.loitering | 徘徊 | loitering | C | | m
camera.recording_gap | 录像缺失 | recording gap | C | | l
audio.alarm | 声音报警 | audio alarm | C | | m
input.active | 输入点动作 | input active | C | | m
environment.high | 环境越上限 | environment above limit | C | | m
environment.low | 环境越下限 | environment below limit | C | | m
electrical.leakage | 剩余电流报警 | residual current alarm | C | | h
electrical.overheat | 电缆超温 | cable overheating | C | | h
power.mains_lost | 主电故障 | mains power lost | C | | m
power.battery_low | 备电欠压 | back-up battery low | C | | m
device.offline | 设备失联 | device offline | C | | m
device.fault | 设备故障 | device fault | C | | l
device.tamper | 防拆报警 | tamper | C | L | h
device.battery_low | 电量低 | battery low | C | | l
device.clock_drift | 时钟偏差 | clock drift | C | | l
device.chattering | 频繁抖动 | chattering | C | | l
device.restarted | 设备重启 | device restarted | M | | -
edge.offline | 网关失联 | edge offline | C | | h
edge.cloned | 网关重复运行 | edge running twice | C | | h
edge.unverified | 网关签名无效 | edge signature invalid | C | | h
edge.incompatible | 网关版本不兼容 | edge version not understood | C | | h
edge.settings_refused | 网关拒绝配置 | edge refused its settings | C | | m
edge.spool_dropping | 缓存丢弃 | edge spool dropping | C | | h
edge.spool_failed | 网关存储故障 | edge disk failed | C | | h
certificate.expiring | 证书即将到期 | certificate about to expire | C | | m
lane.gap | 数据缺口 | data gap | M | L | h
broker.offline | 消息中断 | broker offline | C | | h
store.unavailable | 存储中断 | store unavailable | C | | h
hub.lost | 平台失联 | hub lost | C | | h
chores.silent | 后台任务失联 | chores silent | C | | h
screen.silent | 值守屏失联 | security-room screen silent | C | | h
intake.unreadable | 无法判读 | unreadable item | M | L | h
rule.broken | 规则失效 | rule broken | C | | m
hub.restarted | 平台重启 | hub restarted | M | | -
guard.check | 查岗 | guard check | M | | -
patrol.checked | 巡更打点 | patrol checked | M | | -
patrol.missed | 漏巡 | patrol missed | C | | m
visitor.arrived | 访客到访 | visitor arrived | M | | -
visitor.overstayed | 访客滞留 | visitor overstayed | C | | l
"""

_PRIORITIES: Final = {"c": Priority.CRITICAL, "h": Priority.HIGH, "m": Priority.MEDIUM, "l": Priority.LOW}


def _read_table() -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for line in _TABLE.strip().splitlines():
        name, zh, en, nature, latching, priority = (part.strip() for part in line.split("|"))
        if name in kinds:
            raise ValueError(f"event kind {name} stands twice in the vocabulary")
        kinds[name] = Kind(
            name=name,
            zh=zh,
            en=en,
            condition=nature == "C",
            latching=latching == "L",
            default_priority=_PRIORITIES.get(priority),
            lane=Lane.TELEMETRY if name in _TELEMETRY_KINDS else Lane.ALARM,
            life_safety=name in _LIFE_SAFETY,
        )
    return kinds


KINDS: Final[dict[str, Kind]] = _read_table()
"""Every event kind by name."""

POINTS: Final[dict[str, tuple[str, str]]] = {
    "smoke_density_pct_m": ("烟雾浓度", "%/m"),
    "temperature_c": ("温度", "°C"),
    "humidity_pct": ("湿度", "%"),
    "co_ppm": ("一氧化碳", "ppm"),
    "gas_lel_pct": ("可燃气体", "%LEL"),
    "leakage_ma": ("剩余电流", "mA"),
    "voltage_v": ("电压", "V"),
    "current_a": ("电流", "A"),
    "power_w": ("功率", "W"),
    "battery_pct": ("电量", "%"),
    "signal_dbm": ("信号", "dBm"),
    "water_pressure_mpa": ("水压", "MPa"),
    "water_level_m": ("水位", "m"),
    "people_count": ("人数", ""),
    "sharpness": ("清晰度", ""),
    "brightness": ("亮度", ""),
    "fps": ("帧率", "1/s"),
    "response_ms": ("响应时间", "ms"),
    "clock_offset_s": ("时钟偏差", "s"),
    "door_cycles": ("开门次数", ""),
}
"""Every point by name: Chinese name and unit."""

COMMAND_KINDS: Final[dict[str, tuple[str, str]]] = {
    "door.release": ("开门保持", "hold door open"),
    "door.pulse": ("单次开门", "open door once"),
    "door.lock": ("锁门", "lock door"),
    "door.restore": ("恢复门控", "restore door"),
    "barrier.raise": ("升起路障", "raise barrier"),
    "barrier.lower": ("降下路障", "lower barrier"),
    "siren.on": ("开启警号", "siren on"),
    "siren.off": ("关闭警号", "siren off"),
    "strobe.on": ("开启警灯", "strobe on"),
    "strobe.off": ("关闭警灯", "strobe off"),
    "broadcast.play": ("播放广播", "play broadcast"),
    "broadcast.stop": ("停止广播", "stop broadcast"),
    "camera.snapshot": ("抓拍", "snapshot"),
    "camera.preset": ("转到预置位", "go to preset"),
    "recording.mark": ("标记录像", "mark recording"),
    "area.arm": ("布防", "arm area"),
    "area.disarm": ("撤防", "disarm area"),
    "point.bypass": ("旁路", "bypass point"),
    "output.on": ("输出开", "output on"),
    "output.off": ("输出关", "output off"),
}
"""Every command kind by name: Chinese and English."""
REFLEX_COMMANDS: Final = frozenset({"door.release", "siren.on", "strobe.on", "broadcast.play"})
"""What an edge may do by a reflex: what is safe to do twice."""
