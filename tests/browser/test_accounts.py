"""From a stranger to a program: sign up, be let in, make a token, and use it."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PASSWORD
from tests.browser.galleries import Site


def test_it_works(page: Page, site: Site, browser: Browser):
    stranger = browser.new_context(base_url=site.url, viewport=page.viewport_size)
    stranger.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    try:
        theirs = stranger.new_page()
        theirs.goto("/login/")
        theirs.click("text=Sign up")
        theirs.fill("[name=username]", "grace")
        theirs.fill("[name=password1]", PASSWORD)
        theirs.fill("[name=password2]", PASSWORD)
        theirs.press("[name=password2]", "Enter")
        expect(theirs.locator("h1")).to_contain_text("an admin decides")

        page.goto("/")
        page.click(".menu summary")
        page.click(".menu >> text=Accounts")
        page.get_by_role("button", name="Approve grace").click()
        expect(page.locator(".messages")).to_contain_text("grace has an account now.")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]

        theirs.goto("/login/?next=/account/tokens/")
        theirs.fill("[name=username]", "grace")
        theirs.fill("[name=password]", PASSWORD)
        theirs.press("[name=password]", "Enter")
        theirs.fill("[name=name]", "my script")
        theirs.get_by_role("button", name="Make the token").click()
        theirs.click("text=Copy")
        expect(theirs.locator("#says")).to_contain_text("Copied.")
        secret = theirs.evaluate("navigator.clipboard.readText()")
        assert secret.startswith("lka_")
        assert theirs.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        theirs.goto("/account/tokens/")
        expect(theirs.locator(".lines h3")).to_contain_text(secret[:8])
        assert secret not in theirs.content()

        program = browser.new_context(base_url=site.url).request
        me = program.get("/api/me", headers={"Authorization": f"Bearer {secret}"})
        assert me.status == 200
        assert "grace" in me.text()
        assert program.get("/api/me", headers={"Authorization": "Bearer lka_no"}).status == 401
    finally:
        stranger.close()


def test_several_are_decided_at_once_without_scripts(browser: Browser, site: Site, signed_in: dict):
    stranger = browser.new_context(java_script_enabled=False, base_url=site.url)
    admin = browser.new_context(java_script_enabled=False, storage_state=signed_in, base_url=site.url)
    try:
        theirs, page = stranger.new_page(), admin.new_page()
        for name in ("lin", "mae"):
            theirs.goto("/account/sign-up/")
            theirs.fill("[name=username]", name)
            theirs.fill("[name=password1]", PASSWORD)
            theirs.fill("[name=password2]", PASSWORD)
            theirs.press("[name=password2]", "Enter")
            expect(theirs.locator("h1")).to_contain_text("an admin decides")
        page.goto("/admin/accounts/")
        for name in ("lin", "mae"):
            page.get_by_label(name).check()
        page.get_by_role("button", name="Refuse all with a tick").click()
        expect(page.locator(".messages")).to_contain_text("lin and mae are refused.")
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".messages")).to_contain_text("lin and mae wait again.")
        page.get_by_role("link", name="Tick all").click()
        page.get_by_role("button", name="Approve all with a tick").click()
        expect(page.locator(".messages")).to_contain_text("lin and mae have accounts now.")
    finally:
        stranger.close()
        admin.close()
