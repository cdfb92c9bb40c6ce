"""The wall in a real browser: a button is pressed, the alarm is seen, acknowledged by one key; and the wall
says so when it does not know."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.screens import Login, enter, open_browser
from tests.running_demo import RunningDemo, run_demo
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
PASSWORD = "correct horse battery staple 7"


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningDemo]:
    with run_demo("--seed", "3") as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def wall(demo: RunningDemo, browser: Browser) -> Iterator[Page]:
    """The security room's screen, logged in, Chinese; no error may appear in its console."""
    page = browser.new_context(viewport={"width": 1920, "height": 1080}).new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: errors.append(message.text) if "Content Security Policy" in message.text else None,
    )
    enter(page, demo.console, Login("zhang", PASSWORD, demo.token))
    page.wait_for_selector("[data-test=age]:not(.unknown)")
    yield page
    assert errors == []


def acknowledge(wall: Page) -> None:
    """The bar on the selected row. A row that came under the selection a blink ago does not take it yet, so
    press as a person does: again, when nothing happened.
    """
    row = wall.locator("[data-alarm]").first

    def acknowledged() -> bool:
        if row.get_attribute("data-state") != "unacknowledged":
            return True
        wall.keyboard.press("Space")
        return False

    wait_until(acknowledged, 5.0, "the bar acknowledges", poll_s=0.3)
    expect(row).to_have_attribute("data-state", "latched")


def test_calm_says_what_it_knows(wall: Page) -> None:
    calm = wall.locator("[data-test=calm]")
    expect(calm).to_contain_text("当前无报警")
    expect(calm).to_contain_text(re.compile(r"已监测 \d+/\d+ 点"))


def test_a_pressed_button_is_on_the_wall_within_two_seconds_and_acknowledged_by_one_key(
    wall: Page, demo: RunningDemo
) -> None:
    demo.order("press gate-button")
    row = wall.locator("[data-alarm]").first
    expect(row).to_contain_text("一键报警", timeout=2_000)
    expect(row).to_contain_text("门卫室")
    expect(row).to_have_attribute("data-state", "unacknowledged")
    sentence = wall.locator("[data-test=sentence]")
    expect(sentence).to_contain_text("拨打 110")
    expect(sentence).to_contain_text(re.compile(r"秒后升级 → 带班领导"))
    expect(wall.locator("[data-test=calm]")).to_have_count(0)
    acknowledge(wall)
    with psycopg.connect(demo.dsn) as connection:
        kept = connection.execute(
            "SELECT a.state, j.actor = a.acknowledged_by FROM alarm a JOIN journal j"
            " ON j.subject = 'alarm:' || a.alarm AND j.kind = 'alarm.acknowledged'"
            " WHERE a.kind = 'panic.pressed'"
        ).fetchall()
    assert kept == [("latched", True)]


def test_an_alarm_is_verified_and_reset_by_a_person(wall: Page) -> None:
    row = wall.locator("[data-alarm]").first
    wall.keyboard.press("v")
    panel = wall.locator("[data-test=verify]")
    expect(panel).to_be_visible()
    panel.locator("[data-result=false]").click()
    panel.locator("[data-cause=touch]").click()
    panel.locator("[data-test=submit-verify]").click()
    expect(panel).to_have_count(0)
    wall.get_by_role("button", name=re.compile("复位")).first.click()
    wall.locator("[data-test=confirm-reset]").click()
    expect(row).to_have_count(0, timeout=5_000)


@pytest.mark.parametrize("process", ["hub-api", "hub-worker"])
def test_the_wall_says_within_five_seconds_that_it_does_not_know(
    wall: Page, demo: RunningDemo, process: str
) -> None:
    band = wall.locator("[data-test=stale]")
    expect(band).to_have_count(0, timeout=15_000)
    pid = demo.pid(process)
    os.kill(pid, signal.SIGSTOP)
    try:
        expect(band).to_be_visible(timeout=6_000)
        expect(wall.get_by_text("当前无报警")).to_have_count(0)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: demo.ready, 30.0, "the hub is ready again", poll_s=0.1)
    expect(band).to_have_count(0, timeout=30_000)


def test_a_press_while_the_worker_is_away_is_shown_as_not_stored(wall: Page, demo: RunningDemo) -> None:
    pid = demo.pid("hub-worker")
    os.kill(pid, signal.SIGSTOP)
    try:
        demo.order("press office-button")
        unreceipted = wall.locator("[data-test=unreceipted]")
        expect(unreceipted.first).to_contain_text("一键报警", timeout=6_000)
        expect(unreceipted.first).to_contain_text("未存储")
    finally:
        os.kill(pid, signal.SIGCONT)
    expect(wall.locator("[data-test=unreceipted]")).to_have_count(0, timeout=30_000)
    expect(wall.locator("[data-alarm]", has_text="教师办公室")).to_have_count(1, timeout=10_000)


def test_both_languages_and_the_phone_fit_their_screens(wall: Page) -> None:
    for width, height in ((360, 740), (1366, 768), (1920, 1080)):
        wall.set_viewport_size({"width": width, "height": height})
        for language in ("en", "zh"):
            wall.evaluate("language => localStorage.setItem('sanfang.language', language)", language)
            wall.reload()
            wall.wait_for_selector("[data-test=age]:not(.unknown)")
            excess = wall.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert excess <= 0, f"{width}×{height} {language}: {excess} px too wide"
