"""Pictures of every page of the console, in both themes, both languages and three sizes, to be looked at.

As a program: `python -m tests.e2e.screens URL FOLDER --name ACCOUNT --password WORD [--token TOKEN]`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
THEMES = ("night", "day")
LANGUAGES = ("zh", "en")
SIZES = {"wall": (1920, 1080), "desk": (1366, 768), "phone": (360, 740)}
PAGES = {
    "wall": "/",
    "alarms": "/alarms?state=all",
    "hazards": "/hazards",
    "devices": "/devices",
    "incidents": "/incidents",
    "report": "/hazards?hazard=new",
    "journal": "/journal",
    "people": "/people",
    "roster": "/roster",
    "account": "/account",
    "accounts": "/accounts",
    "phones": "/phones",
    "tokens": "/tokens",
    "responsibilities": "/responsibilities",
    "handover": "/handover",
}


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in; with a set-up token the account is made first."""

    name: str
    password: str
    token: str = ""
    station: str = "值班室"


@contextmanager
def open_browser() -> Iterator[Browser]:
    """The system's own Chromium, headless."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=list(CHROMIUM_ARGUMENTS)
        )
        try:
            yield browser
        finally:
            browser.close()


def enter(page: Page, url: str, login: Login) -> None:
    """Set up or log in, whichever the hub asks for; ends on the wall with the sound armed."""
    page.goto(url)
    page.wait_for_selector("[data-test=login], [data-test=setup], [data-test=sound]")
    if page.locator("[data-test=setup]").count():
        page.fill("[name=token]", login.token)
        page.fill("[name=display_name]", login.name)
    elif page.locator("[data-test=sound]").count():
        return
    else:
        page.fill("[name=station]", login.station)
    page.fill("[name=name]", login.name)
    page.fill("[name=password]", login.password)
    page.click("button[type=submit]")
    page.wait_for_selector("[data-test=sound]")


def choose(page: Page, theme: str, language: str) -> None:
    """Theme and language as a person would find them set, for the next load of the page."""
    page.evaluate(
        "([theme, language]) => { localStorage.setItem('sanfang.theme', theme);"
        " localStorage.setItem('sanfang.language', language); }",
        [theme, language],
    )


def overflow_of(page: Page) -> int:
    """By how many pixels the page is wider than the screen; anything above 0 is a fault."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def take_all(url: str, folder: Path, login: Login) -> list[Path]:
    """Every page × theme × language × size as PNG files named `page-size-theme-language.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures: list[Path] = []
    with open_browser() as browser:
        context = browser.new_context()
        page = context.new_page()
        enter(page, url, login)
        for theme in THEMES:
            for language in LANGUAGES:
                choose(page, theme, language)
                for size, (width, height) in SIZES.items():
                    page.set_viewport_size({"width": width, "height": height})
                    page.reload()
                    page.wait_for_selector("[data-test=age]:not(.unknown)")
                    page.click("[data-test=arm]")
                    for name, path in PAGES.items():
                        page.goto(f"{url.rstrip('/')}/#{path}")
                        page.wait_for_selector("main")
                        page.wait_for_timeout(150)
                        picture = folder / f"{name}-{size}-{theme}-{language}.png"
                        page.screenshot(path=picture)
                        pictures.append(picture)
    return pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--token", default="")
    arguments = parser.parse_args()
    login = Login(arguments.name, arguments.password, arguments.token)
    for picture in take_all(arguments.url, arguments.folder, login):
        print(picture)


if __name__ == "__main__":
    main()
