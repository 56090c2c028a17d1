"""One's own account, and what admins decide about those of others."""

from __future__ import annotations

import re
import threading

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test import Client

from gallery import accounts
from gallery.accounts import AccountError
from gallery.models import ApiToken, Image, Role, User
from tests.gallery.made import rows

PASSWORD = "open sesame 12"


def owned(person: User, count: int, private: bool = False) -> list[Image]:
    images = list(Image.objects.filter(pk__in=rows(count)))
    for image in images:
        image.owners.add(person)
    Image.objects.filter(pk__in=[image.pk for image in images]).update(private=private)
    return images


def again(person: User) -> User:
    return User.objects.get(pk=person.pk)


@pytest.mark.django_db
def test_it_works(as_member: Client, member: User):
    owned(member, 2)
    owned(member, 1, private=True)
    page = as_member.get("/account/").content.decode()
    assert "You are a member here" in page
    assert re.search(r"<span class=\"number\">3</span> pictures, <span class=\"number\">1</span> of them private", page)
    sent = as_member.post("/account/", {"username": "alicia", "email": "a@b.example", "password": PASSWORD})
    assert sent["Location"] == "/account/"
    assert (again(member).username, again(member).email) == ("alicia", "a@b.example")
    assert again(member).check_password(PASSWORD)


@pytest.mark.django_db
class TestOnesOwn:
    def test_is_asked_for_by_members_only(self, client: Client):
        assert client.get("/account/")["Location"] == "/login/?next=/account/"

    def test_changes_need_the_password(self, as_member: Client, member: User):
        answer = as_member.post("/account/", {"username": "eve", "email": "", "password": "wrong"})
        assert answer.status_code == 400
        assert "not your password" in answer.content.decode()
        assert again(member).username == "alice"

    def test_names_are_unlike_others(self, as_member: Client, admin: User):
        answer = as_member.post("/account/", {"username": "BOB", "email": "", "password": PASSWORD})
        assert "Somebody has this name" in answer.content.decode()

    def test_another_password_ends_other_sessions(self, as_member: Client, member: User):
        other = Client()
        other.force_login(member)
        form = {"old_password": PASSWORD, "new_password1": "nine lives 77", "new_password2": "nine lives 77"}
        assert as_member.post("/account/password/", form)["Location"] == "/account/"
        assert again(member).check_password("nine lives 77")
        assert as_member.get("/account/").status_code == 200
        assert other.get("/account/").status_code == 302

    def test_a_wrong_old_password_changes_nothing(self, as_member: Client, member: User):
        form = {"old_password": "wrong", "new_password1": "nine lives 77", "new_password2": "nine lives 77"}
        assert as_member.post("/account/password/", form).status_code == 400
        assert again(member).check_password(PASSWORD)

    def test_all_other_sessions_are_ended(self, as_member: Client, member: User):
        other = Client()
        other.force_login(member)
        assert as_member.post("/account/sign-out/").status_code == 302
        assert as_member.get("/account/").status_code == 200
        assert other.get("/account/").status_code == 302

    def test_who_signs_in_elsewhere_is_asked_for_no_password(self, member: User):
        User.objects.update(password=make_password(None))
        client = Client()
        client.force_login(again(member))
        assert 'name="password"' not in client.get("/account/").content.decode()
        assert client.get("/account/password/").status_code == 409
        assert client.post("/account/", {"username": "alba", "email": ""}).status_code == 302


@pytest.mark.django_db
class TestTheEnd:
    def test_takes_private_pictures_to_the_trash(self, as_member: Client, member: User, admin: User):
        (public,) = owned(member, 1)
        (private,) = owned(member, 1, private=True)
        (shared,) = owned(member, 1, private=True)
        shared.owners.add(admin)
        ApiToken.issue(member, "script", ["read"])
        page = as_member.get("/account/delete/").content.decode()
        assert re.search(r"<strong class=\"number\">1</strong> private picture goes to the trash", page)
        assert as_member.post("/account/delete/", {"password": PASSWORD})["Location"] == "/login/"
        assert not User.objects.filter(username="alice").exists()
        assert not ApiToken.objects.exists()
        kept = {image.pk for image in Image.objects.filter(trashed_at=None)}
        assert kept == {public.pk, shared.pk}
        assert Image.objects.get(pk=private.pk).trashed_at
        assert as_member.get("/account/").status_code == 302

    def test_asks_for_the_password(self, as_member: Client):
        assert as_member.post("/account/delete/", {"password": "wrong"}).status_code == 400
        assert User.objects.filter(username="alice").exists()

    def test_is_not_for_the_last_admin(self, as_admin: Client):
        answer = as_admin.post("/account/delete/", {"password": PASSWORD})
        assert answer.status_code == 409
        assert "last admin" in answer.content.decode()
        assert User.objects.filter(username="bob").exists()


@pytest.mark.django_db
class TestPeople:
    def test_all_are_listed_with_what_they_have(self, as_admin: Client, member: User):
        owned(member, 2)
        ApiToken.issue(member, "script", ["read"])
        page = as_admin.get("/admin/accounts/").content.decode()
        line = page.split("<h3>alice")[1].split("</li>")[0]
        assert re.search(r">2</span> pictures · <span class=\"number\">1</span> token\b", line)
        assert "never seen" in line
        assert "Nobody waits." in page
        assert "No invitation is open." in page

    def test_a_thousand_come_in_pages_and_are_found(self, as_admin: Client, django_assert_max_num_queries):
        User.objects.bulk_create(User(username=f"p{n:04}", email=f"{n}@x.example") for n in range(1_000))
        with django_assert_max_num_queries(15):
            page = as_admin.get("/admin/accounts/").content.decode()
        assert page.count('<div class="who">') == 50
        assert ">1001</span>" in page
        onward = re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")
        second = as_admin.get(onward).content.decode()
        assert "<h3>p0049" in second
        assert "<h3>p0048" not in second
        found = as_admin.get("/admin/accounts/?q=P0777").content.decode()
        assert re.findall(r"<h3>(p\d+)", found) == ["p0777"]
        assert "<h3>p0012" in as_admin.get("/admin/accounts/?q=12@x.ex").content.decode()
        assert "Nobody like that" in as_admin.get("/admin/accounts/?q=%25zz").content.decode()

    def test_a_role_is_given_and_taken_back(self, as_admin: Client, member: User):
        answer = as_admin.post(f"/admin/accounts/{member.pk}/role/", {"role": "2", "place": "q=ali"}, follow=True)
        assert answer.redirect_chain == [("/admin/accounts/?q=ali", 302)]
        assert again(member).role == Role.MODERATOR
        undo = re.search(r'action="(/admin/accounts/\d+/role/\?role=1)"', answer.content.decode())[1]
        as_admin.post(undo)
        assert again(member).role == Role.MEMBER
        assert as_admin.post(f"/admin/accounts/{member.pk}/role/", {"role": "9"}).status_code == 400

    def test_there_is_always_an_admin(self, as_admin: Client, admin: User):
        address = f"/admin/accounts/{admin.pk}/role/"
        assert as_admin.post(address, {"role": "1", "sure": "1"}).status_code == 409
        assert again(admin).role == Role.ADMIN
        with pytest.raises(AccountError, match="last admin"):
            accounts.deactivate(admin.pk)

    def test_ones_own_role_goes_down_when_said_twice(self, as_admin: Client, admin: User):
        User.objects.create_superuser("carol")
        address = f"/admin/accounts/{admin.pk}/role/"
        asked = as_admin.post(address, {"role": "1"})
        assert (asked.status_code, again(admin).role) == (409, Role.ADMIN)
        assert "Step down" in asked.content.decode()
        as_admin.post(address, {"role": "1", "sure": "1"})
        assert again(admin).role == Role.MEMBER

    def test_who_is_deactivated_is_out_at_once(self, as_admin: Client, as_member: Client, member: User, admin: User):
        _, secret = ApiToken.issue(member, "script", ["read"])
        as_admin.post(f"/admin/accounts/{member.pk}/deactivate/")
        assert as_member.get("/account/").status_code == 302
        assert ApiToken.objects.of_secret(secret) is None
        as_admin.post(f"/admin/accounts/{member.pk}/reactivate/")
        assert as_member.get("/account/").status_code == 200
        assert as_admin.post(f"/admin/accounts/{admin.pk}/deactivate/").status_code == 409

    def test_sessions_are_ended(self, as_admin: Client, as_member: Client, member: User):
        as_admin.post(f"/admin/accounts/{member.pk}/sign-out/")
        assert as_member.get("/account/").status_code == 302

    def test_unknown_people_are_not_found(self, as_admin: Client):
        for pk in (10**6, 2**63, 10**30):
            assert as_admin.post(f"/admin/accounts/{pk}/role/", {"role": "1"}).status_code == 404


@pytest.mark.django_db
class TestAForgottenPassword:
    def test_an_admin_makes_a_link_that_works_once(self, as_admin: Client, member: User):
        made = as_admin.post(f"/admin/accounts/{member.pk}/reset/")
        assert "no-store" in made["Cache-Control"]
        link = re.search(r'value="http://testserver(/account/reset/[^"]+)"', made.content.decode())[1]
        visitor = Client()
        form_page = visitor.get(link, follow=True)
        (address, _), *_ = form_page.redirect_chain
        form = {"new_password1": "nine lives 77", "new_password2": "nine lives 77"}
        assert visitor.post(address, form)["Location"] == "/login/"
        assert again(member).check_password("nine lives 77")
        assert Client().get(link).status_code == 410

    def test_without_mail_an_admin_is_to_be_asked(self, client: Client):
        assert "Ask one of its admins" in client.get("/account/reset/").content.decode()
        assert client.post("/account/reset/", {"email": "a@b.example"}).status_code == 200

    def test_a_link_is_sent(self, client: Client, member: User, settings, mailoutbox, monkeypatch):
        from gallery import sign_in_views
        from gallery.resets import mail_reset

        settings.EMAIL, settings.DEFAULT_FROM_EMAIL = "smtp://mail.example", "gallery@b.example"
        monkeypatch.setattr(sign_in_views, "send_reset", mail_reset)  # there is no worker in a test
        User.objects.filter(pk=member.pk).update(email="a@b.example")
        known = client.post("/account/reset/", {"email": "A@b.example"}, follow=True)
        unknown = client.post("/account/reset/", {"email": "z@b.example"}, follow=True)
        assert known.content.split(b"csrf")[0] == unknown.content.split(b"csrf")[0]
        (mail,) = mailoutbox
        assert (mail.to, mail.from_email) == (["a@b.example"], "gallery@b.example")
        link = re.search(r"http://testserver(/account/reset/\S+)", mail.body)[1]
        assert Client().get(link).status_code == 302

    def test_a_broken_link_is_refused(self, client: Client):
        for link in ("/account/reset/MQ/abc-def/", "/account/reset/zz/set-password/"):
            assert client.get(link).status_code == 410


@pytest.mark.django_db(transaction=True)
def test_two_admins_do_not_both_step_down_at_once():
    ada, eve = (User.objects.create_superuser(name) for name in ("ada", "eve"))
    refused: list[str] = []
    start = threading.Barrier(2)

    def step_down(pk: int) -> None:
        start.wait()
        try:
            accounts.change_role(pk, Role.MEMBER)
        except AccountError as error:
            refused.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=step_down, args=[person.pk]) for person in (ada, eve)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert User.objects.admins().count() == 1
    assert len(refused) == 1
