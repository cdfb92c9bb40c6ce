"""The desk's pages in a real browser: a hazard's life, a drill started by hand, the journal that shows both."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from hub.store.database import connect
from tests.e2e.screens import Login, enter, open_browser
from tests.running_demo import RunningDemo, run_demo
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
PASSWORD = "correct horse battery staple 7"
SCRIPT = "<img src=x onerror=document.title='taken'>"


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningDemo]:
    with run_demo("--seed", "4") as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def desk(demo: RunningDemo, browser: Browser) -> Iterator[Page]:
    """The safety officer's screen; no script error and no breach of the policy may appear in its console."""
    page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
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


def test_a_hazard_is_reported_and_confirmed_and_a_script_in_its_title_stays_text(desk: Page) -> None:
    desk.locator("nav.pages").get_by_role("link", name="隐患", exact=True).click()
    desk.locator("[data-test=report]").click()
    desk.get_by_role("button", name="上报隐患").last.click()
    expect(desk.get_by_text("! 还没有填")).to_be_visible()
    desk.fill("[name=title]", SCRIPT)
    expect(desk.get_by_text("! 还没有填")).to_have_count(0)
    desk.select_option("[name=zone]", index=1)
    desk.get_by_role("button", name="上报隐患").last.click()
    desk.locator("[data-act=confirm]").click()
    row = desk.locator("tr[data-row]")
    expect(row).to_contain_text("已核实")
    expect(row).to_contain_text(SCRIPT)
    assert desk.title() != "taken"


def test_a_drill_is_started_by_hand_and_never_by_haste(desk: Page) -> None:
    desk.keyboard.press("i")
    desk.locator("[data-test=start]").click()
    desk.select_option("[name=plan]", index=1)
    desk.fill("[name=reason]", "月度演练")
    desk.locator("[data-test=start-plan] button[type=submit]").click()
    expect(desk.get_by_text("! 请选择")).to_be_visible()
    desk.select_option("[name=exercise]", "drill")
    desk.get_by_role("button", name="开始演练").click()
    expect(desk.locator("[data-test=start-plan]")).to_have_count(0)
    expect(desk.locator("[data-test=incident]")).to_contain_text("演练")
    expect(desk.locator(".drill").first).to_contain_text("演练进行中")


def test_the_journal_is_filtered_in_the_address_and_goes_on_live(desk: Page, demo: RunningDemo) -> None:
    desk.goto(f"{demo.console}/#/journal?people=yes&kind=hazard.")
    rows = desk.locator("tr[data-row]")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("发现隐患")
    expect(rows.last).to_contain_text("zhang")
    desk.goto(f"{demo.console}/#/journal?kind=alarm.raised")
    before = rows.count()
    demo.order("press gate-button")
    expect(rows).to_have_count(before + 1, timeout=5_000)
    rows.first.focus()
    desk.keyboard.press("Enter")
    desk.get_by_role("button", name="只看它").nth(1).click()
    expect(desk).to_have_url(re.compile("subject=alarm"))
    expect(rows.first).to_contain_text("门卫室")


def test_the_roster_shows_who_is_there_and_where_nobody_is(desk: Page) -> None:
    desk.goto(desk.url.split("#")[0] + "#/roster")
    expect(desk.locator("[data-test=week] tbody tr").first).to_be_visible()
    expect(desk.locator("[data-test=roster]")).to_contain_text("赵敏")


POST = """async ([path, body]) => (await fetch(path, {method: "POST", body: JSON.stringify(body),
    headers: {"X-Sanfang": "1", "Content-Type": "application/json"}})).status"""


def test_what_is_stored_as_a_script_is_shown_as_text_on_every_page(desk: Page) -> None:
    """tests/integration/test_stored_script.py tries every field; here is how pages show them."""
    site = desk.evaluate("fetch('/api/v1/session').then((it) => it.json()).then((it) => it.sites[0].site)")
    committee = {"name": {"zh": f"委员会{SCRIPT}", "en": SCRIPT}, "members": [{"person": "script"}]}
    for path, body in (
        ("people/script", {"name": f"人{SCRIPT}", "posts": []}),
        ("committees/script", committee),
        ("hazards", {"title": f"隐患{SCRIPT}", "reason": f"原因{SCRIPT}"}),
    ):
        assert desk.evaluate(POST, [f"/api/v1/sites/{site}/{path}", body]) < 300, path
    for page, words in (("people", "人"), ("hazards", "隐患"), ("journal?people=yes", "原因")):
        desk.goto(desk.url.split("#")[0] + f"#/{page}")
        expect(desk.get_by_text(f"{words}{SCRIPT}").first).to_be_visible()
        expect(desk.locator("img[src=x]")).to_have_count(0)
    assert desk.title() != "taken"


def test_a_second_factor_is_enrolled_and_asked_for_at_the_next_log_in(desk: Page, demo: RunningDemo) -> None:
    desk.goto(desk.url.split("#")[0] + "#/account")
    expect(desk.locator("[data-test=needed]")).to_be_visible()
    desk.locator("[data-test=add-totp]").click()
    form = desk.get_by_role("form", name="身份验证器")
    form.locator("[name=password]").fill(PASSWORD)
    form.get_by_role("button", name="下一步").click()
    secret = form.locator("code").inner_text()
    form.locator("[name=code]").fill(pyotp.TOTP(secret).now())
    form.get_by_role("button", name="下一步").click()
    spare = desk.locator("[data-test=codes] code").first.inner_text()
    expect(desk.locator("[data-test=needed]")).to_have_count(0)
    desk.get_by_role("button", name="退出").click()
    for again in (True, False):
        desk.fill("[name=name]", "zhang")
        desk.fill("[name=password]", PASSWORD)
        desk.locator("[data-test=login] [type=submit]").click()
        expect(desk.locator("[data-test=second]")).to_be_visible()
        if again:
            # Nothing is opened by the password alone, nor by going round the page: one begins anew.
            desk.reload()
            expect(desk.locator("[data-test=login]")).to_be_visible()
    desk.get_by_role("button", name="改用恢复码").click()
    desk.fill("[name=code]", "0000-0000")
    desk.locator("[data-test=second] [type=submit]").click()
    expect(desk.get_by_role("alert")).to_be_visible()
    desk.fill("[name=code]", spare)
    desk.locator("[data-test=second] [type=submit]").click()
    desk.wait_for_selector("[data-test=age]:not(.unknown)")


def test_an_invited_guard_sets_a_password_and_sees_only_what_is_a_guards(
    desk: Page, demo: RunningDemo, browser: Browser
) -> None:
    desk.goto(f"{demo.console}/#/accounts")
    desk.locator("[data-test=invite]").click()
    desk.fill("[name=name]", "li.guard")
    desk.fill("[name=display_name]", SCRIPT)
    desk.select_option("[name=role]", "guard")
    desk.get_by_role("button", name="邀请账号").last.click()
    link = desk.locator("[data-test=once] code").inner_text()
    expect(desk.locator("tr[data-row]", has_text="li.guard")).to_contain_text(SCRIPT)
    guard = browser.new_context(viewport={"width": 360, "height": 740}).new_page()
    guard.goto(link)
    for name in ("password", "again"):
        guard.fill(f"[name={name}]", PASSWORD)
    guard.locator("[data-test=invitation] [type=submit]").click()
    guard.locator("[data-test=to-login]").click()
    enter(guard, demo.console, Login("li.guard", PASSWORD))
    links = guard.locator("nav.pages a")
    expect(links.filter(has_text="排班")).to_have_count(1)
    for hidden in ("人员", "台账", "账号与设备"):
        expect(links.filter(has_text=re.compile(f"^{hidden}$"))).to_have_count(0)
    guard.goto(f"{demo.console}/#/accounts")
    expect(guard.locator(".failed")).to_be_visible()
    expect(guard.locator("tr[data-row]")).to_have_count(0)
    # The link was good once.
    again = browser.new_context().new_page()
    again.goto(link)
    expect(again.get_by_role("alert")).to_be_visible()
    expect(again.locator("[data-test=invitation]")).to_have_count(0)
    # Suspended, the guard's screen goes back to the log-in by itself.
    desk.locator("[data-test=disable]").click()
    desk.get_by_role("button", name="确定：停用").click()
    expect(desk.locator("tr[data-row]", has_text="li.guard")).to_contain_text("已停用")
    expect(guard.locator("[data-test=login]")).to_be_visible(timeout=10_000)


def test_a_place_is_added_a_device_moved_there_and_its_next_alarm_says_so(
    desk: Page, demo: RunningDemo
) -> None:
    desk.goto(f"{demo.console}/#/places")
    desk.locator("[data-test=add-zone]").click()
    desk.fill("[name=zh]", SCRIPT)
    desk.fill("[name=zone]", "Science")
    desk.get_by_role("button", name="保存").click()
    expect(desk.get_by_text("! 用小写字母")).to_be_visible()
    desk.fill("[name=zone]", "science")
    desk.get_by_role("button", name="保存").click()
    expect(desk.locator("[data-zone=science]")).to_contain_text(SCRIPT)
    desk.locator("[data-device=office-button]").click()
    desk.select_option("[name=zone]", "science")
    desk.get_by_role("button", name="保存").click()
    expect(desk.locator("li:has([data-zone=science]) [data-device=office-button]")).to_be_visible()
    demo.order("press office-button")
    wait_until(lambda: zone_of_alarm(demo, "office-button") == "science", 20.0, "the rules know the new place")
    # What is in use stays, and the way back is refused by the same.
    desk.locator("[data-test=versions]").click()
    desk.locator("tr[data-row]").last.click()
    desk.get_by_role("button", name="恢复到此版本").click()
    desk.get_by_label("理由（必填）").fill("重来")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("alert").filter(has_text="science: in use by alarm")).to_be_visible()
    assert desk.title() != "taken"


def zone_of_alarm(demo: RunningDemo, device: str) -> str | None:
    with connect(demo.dsn, application="test") as connection:
        query = "SELECT zone FROM alarm WHERE device = %s ORDER BY alarm DESC LIMIT 1"
        row = connection.execute(query, (device,)).fetchone()
    return None if row is None else str(row[0])


def test_a_page_that_cannot_be_read_says_how_old_it_is(desk: Page, demo: RunningDemo) -> None:
    desk.goto(f"{demo.console}/#/journal?people=yes")
    rows = desk.locator("tr[data-row]")
    expect(rows.first).to_be_visible()
    pid = demo.pid("hub-api")
    os.kill(pid, signal.SIGSTOP)
    try:
        desk.get_by_role("button", name="重新读取").click()
        failed = desk.locator(".failed")
        expect(failed).to_contain_text("时的内容", timeout=12_000)
        expect(rows.first).to_be_visible()
        desk.locator("[aria-label=事项]").select_option("hazard.")
        expect(failed).to_contain_text("并不知道", timeout=12_000)
        expect(rows).to_have_count(0)
        expect(desk.get_by_text("没有符合条件的记录")).to_have_count(0)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: demo.ready, 30.0, "the hub is ready again", poll_s=0.1)
