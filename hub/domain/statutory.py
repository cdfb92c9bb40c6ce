"""The state's holidays and make-up working days, as far as they are published."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from hub.domain.judgement import Text

_SETTLED_UNTIL: Final = (12, 24)
"""Month and day: what comes after may still be moved by the next year's notice, as 29 December 2018 was."""


@dataclass(frozen=True, slots=True)
class StatutoryDay:
    """A day that the state takes off (`off`), or makes a working day though it lies on a weekend."""

    off: bool
    name: Text


@dataclass(frozen=True, slots=True)
class Statutory:
    """A state's calendar. Only within `first` … `last` (both included) is a day that it does not name known to
    be an ordinary one.
    """

    days: Mapping[date, StatutoryDay]
    first: date
    last: date

    def day(self, day: date) -> StatutoryDay | None:
        """What is ordered for a day; None: nothing, or not yet."""
        return self.days.get(day)

    def is_published(self, day: date) -> bool:
        """Whether the notice that could change this day is out."""
        return self.first <= day <= self.last


NOTHING: Final = Statutory({}, date.min, date.max)
"""For a school whose state's calendar we do not have: it enters its holidays itself."""


@functools.cache
def chinese_statutory() -> Statutory:
    """The notices of the State Council's General Office, from the data of `chinesecalendar`: 2004 until the
    last year of the release that is installed.
    """
    from chinese_calendar.constants import Holiday, holidays, workdays

    words = {holiday.value: {"zh": str(holiday.chinese), "en": str(holiday.value)} for holiday in Holiday}
    days = {day: StatutoryDay(True, words[name]) for day, name in holidays.items()}
    for day, name in workdays.items():
        word = words[name]
        days[day] = StatutoryDay(False, {"zh": f"{word['zh']}调休上班", "en": f"make-up for {word['en']}"})
    return Statutory(days, date(min(days).year, 1, 1), date(max(days).year, *_SETTLED_UNTIL))
