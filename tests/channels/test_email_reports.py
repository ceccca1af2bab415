"""What mails that come back say, and which of them nobody believes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels import email_reports as module
from channels.base import Receipt, Reply
from channels.email_reports import Ignored, Read, Refused, read
from channels.mailbox import Mail, recipients
from tests.channels.returned import (
    ATTEMPT,
    BOUNCES,
    REPLIES,
    RETURNS,
    answer,
    complaint,
    failed,
    report,
)

NOW = 1_790_000_000_000


def said(mail: Mail) -> Read:
    return read(mail, RETURNS, "email", NOW)


def receipt(status: object, code: str, then: object = "") -> Receipt:
    return Receipt("email", "", status, code, NOW, ATTEMPT, then=then)  # type: ignore[arg-type]


class TestReports:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ("Action: failed\nStatus: 5.1.1", receipt("undelivered", "5.1.1", "never")),
            ("Action: failed\nStatus: 5.2.2", receipt("undelivered", "5.2.2")),
            ("Action: failed\nStatus: 5.3.0", receipt("undelivered", "5.3.0")),
            ("Action: failed\nStatus: 5.7.1", receipt("rejected", "5.7.1")),
            ("Action: failed\nStatus: 5.7.13", receipt("rejected", "5.7.13", "never")),
            ("Action: failed\nStatus: 4.4.7", receipt("expired", "4.4.7")),
            ("Action: failed\nStatus: 4.4.1", receipt("undelivered", "4.4.1")),
            ("Action: delayed\nStatus: 4.4.1", receipt("delayed", "4.4.1")),
            ("Action: delayed\nStatus: 5.1.1", receipt("delayed", "5.1.1")),
            ("Action: relayed\nStatus: 2.0.0", receipt("relayed", "2.0.0")),
            ("Action: expanded\nStatus: 2.1.5", receipt("relayed", "2.1.5")),
            ("Action: delivered\nStatus: 2.0.0", receipt("delivered", "2.0.0")),
        ],
    )
    def test_actions_and_codes(self, fields: str, expected: Receipt) -> None:
        assert said(report(fields)) == expected

    @pytest.mark.parametrize(
        "action",
        ["Failed", "failure", "error", "failed (bad destination system address)", "FAIL",
         "undeliverable", "bounced"],
    )  # fmt: skip
    def test_servers_spell_failure_in_many_ways(self, action: str) -> None:
        assert said(report(f"Action: {action}\nStatus: 5.1.1")) == receipt(
            "undelivered", "5.1.1", "never"
        )

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ("Action: failed", receipt("undelivered", "undelivered")),
            ("Action: failed\nDiagnostic-Code: smtp; 550 5.1.1 <a@b.cn>: unknown",
             receipt("undelivered", "5.1.1", "never")),
            ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.1.1 unknown",
             receipt("undelivered", "5.1.1", "never")),
            ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 unknown",
             receipt("undelivered", "5.0.0")),
            ("Action: failed\nDiagnostic-Code: smtp; 550 unknown", receipt("undelivered", "550")),
            ("Status: 5.1.1", receipt("undelivered", "5.1.1", "never")),
            ("Status: 4.4.2", receipt("delayed", "4.4.2")),
            ("Status: 2.0.0", receipt("relayed", "2.0.0")),
            ("Action: never heard of\nStatus: 5.1.1 (no)",
             receipt("undelivered", "5.1.1", "never")),
            ("Diagnostic-Code: smtp; 554 no", receipt("undelivered", "554")),
        ],
    )  # fmt: skip
    def test_what_is_missing_is_looked_for(self, fields: str, expected: Receipt) -> None:
        assert said(report(fields)) == expected

    def test_of_several_mailboxes_behind_an_address_the_best_counts(self) -> None:
        bad, good = "Action: failed\nStatus: 5.1.1", "Action: relayed\nStatus: 2.0.0"
        assert said(report(bad, good)) == receipt("relayed", "2.0.0")
        assert said(report(bad, bad)) == receipt("undelivered", "5.1.1", "never")

    def test_internationalised_reports_are_reports(self) -> None:
        mail = report("Action: failed\nStatus: 5.1.1")
        kind = b"message/global-delivery-status"
        mail = mail._replace(data=mail.data.replace(b"message/delivery-status", kind))
        assert said(mail) == receipt("undelivered", "5.1.1", "never")

    def test_without_an_envid_the_address_is_enough(self) -> None:
        mail = report("Action: failed\nStatus: 5.1.1", envid="")
        assert said(mail) == receipt("undelivered", "5.1.1", "never")

    def test_no_text_of_the_servers_is_kept(self) -> None:
        fields = "Action: failed\nStatus: 5.1.1 <wang@example.cn>\nDiagnostic-Code: wang@example.cn"
        assert "wang" not in repr(said(report(fields)))


class TestBouncesWithoutAReport:
    """In words, to the address of an attempt (:mod:`tests.channels.test_email_bounces`)."""

    WORDS = "host mx.example said: 550 5.1.1 <a@b.cn>: no such user"

    def test_it_did_not_arrive_and_the_address_stays_in_use(self) -> None:
        mail = answer(self.WORDS, "Return-Path: <>", to=BOUNCES)
        assert said(mail) == receipt("undelivered", "no report 550 5.1.1")

    def test_where_there_is_an_envelope_it_says_who_sent_it(self) -> None:
        mail = answer(self.WORDS, to=BOUNCES)
        assert said(mail._replace(sender="<>")) == receipt("undelivered", "no report 550 5.1.1")
        forged = answer(self.WORDS, "Return-Path: <>", to=BOUNCES)
        assert isinstance(said(forged._replace(sender="<wang@example.cn>")), Refused)

    def test_who_has_a_sender_reports_nothing(self) -> None:
        for more in ((), ("Return-Path: <wang@example.cn>",)):
            assert isinstance(said(answer(self.WORDS, *more, to=BOUNCES)), Refused)

    def test_the_address_to_reply_to_takes_no_bounces(self) -> None:
        assert said(answer(self.WORDS, "Return-Path: <>")) == Ignored()

    def test_without_a_token_it_is_nobodys(self) -> None:
        mail = answer(self.WORDS, "Return-Path: <>", to="mail@hub.example")
        assert isinstance(said(mail), Refused)

    @pytest.mark.parametrize(
        "mark", ["Auto-Submitted: auto-replied", "Precedence: junk", "X-Autoreply: yes"]
    )
    def test_what_is_marked_as_an_answer_is_for_people(self, mark: str) -> None:
        """Whoever is away may quote anything; an old server may mark its bounces so."""
        mail = answer(self.WORDS, "Return-Path: <>", mark, to=BOUNCES)
        assert said(mail) == Refused("it reads as a bounce, and is marked as an automatic answer")

    def test_holidays_without_a_mark_are_for_people(self) -> None:
        mail = answer("I am away until 5.1.27, call 550 1234", "Return-Path: <>", to=BOUNCES)
        assert said(mail) == Refused("there is no report in it")

    def test_no_text_of_the_servers_is_kept(self) -> None:
        assert "a@b.cn" not in repr(said(answer(self.WORDS, "Return-Path: <>", to=BOUNCES)))


class TestForgeries:
    def test_an_envid_alone_changes_nothing(self) -> None:
        for to in ("mail@hub.example", "", "notice@122.gov.cn"):
            assert isinstance(said(failed(to=to)), Refused)

    def test_a_token_that_is_not_right_changes_nothing(self) -> None:
        wrong = BOUNCES.replace(BOUNCES[20], "a" if BOUNCES[20] != "a" else "b")
        assert isinstance(said(failed(to=wrong)), Refused)

    def test_an_envid_that_contradicts_its_address_changes_nothing(self) -> None:
        mail = report("Action: failed\nStatus: 5.1.1", envid="ff" * 16 + ":1")
        assert said(mail) == Refused("it names another attempt than its address")

    def test_the_address_to_reply_to_takes_no_reports(self) -> None:
        """It reads as an automatic answer, and those say nothing."""
        assert said(failed(to=REPLIES)) == Ignored()

    def test_what_is_no_report_bounces_nothing(self) -> None:
        assert isinstance(said(answer("user unknown 5.1.1", to=BOUNCES)), Refused)

    def test_a_report_that_says_nothing(self) -> None:
        assert isinstance(said(report("Final-Recipient: rfc822; a@b.cn")), Refused)
        assert isinstance(said(report()), Refused)


class TestComplaints:
    @pytest.mark.parametrize("kind", ["abuse", "Abuse", "fraud", "opt-out", "opt-out-list"])
    def test_by_the_sender_they_return(self, kind: str) -> None:
        assert said(complaint(kind)) == receipt("complaint", kind.lower())

    @pytest.mark.parametrize(
        "head",
        [
            f"Reply-To: {REPLIES}",
            f"Return-Path: <{BOUNCES}>",
            f"List-Unsubscribe: <https://x/u/1>,\r\n <mailto:{REPLIES}?subject=unsubscribe>",
        ],
    )
    def test_by_the_headers_they_return(self, head: str) -> None:
        mail = complaint(mail_from="redacted", head=head)
        assert said(mail) == receipt("complaint", "abuse")
        only = mail._replace(data=mail.data.replace(b"message/rfc822", b"text/rfc822-headers"))
        assert said(only) == receipt("complaint", "abuse")

    def test_about_no_mail_of_ours(self) -> None:
        assert isinstance(said(complaint(mail_from="notice@122.gov.cn")), Refused)

    @pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "virus", "other", ""])
    def test_what_is_none(self, kind: str) -> None:
        assert said(complaint(kind)) == Ignored()


class TestReplies:
    def test_somebodys_words(self) -> None:
        assert said(answer("退订\r\n\r\n> 您好\r\n")) == Reply(
            "email", "wang@example.cn", "mail@hub.example", "退订", NOW, ATTEMPT
        )

    def test_without_a_word_the_subject_is_theirs(self) -> None:
        """As a click on the mailto of List-Unsubscribe sends it."""
        found = said(answer("", subject="unsubscribe"))
        assert isinstance(found, Reply)
        assert found.text == "unsubscribe"
        encoded = said(answer("", subject="=?utf-8?B?6YCA6K6i?="))
        assert isinstance(encoded, Reply)
        assert encoded.text == "退订"

    @pytest.mark.parametrize(
        "header",
        ["Auto-Submitted: auto-replied", "Precedence: bulk", "Return-Path: <>", "List-Id: <l.x>",
         "X-Autoreply: yes", "Auto-Submitted: auto-generated (away)"],
    )  # fmt: skip
    def test_machines_say_nothing(self, header: str) -> None:
        assert said(answer("退订", header)) == Ignored()
        if header != "Return-Path: <>":  # alone that may be a bounce, which people look at
            assert said(answer("I am away", header, to=BOUNCES)) == Ignored()

    def test_that_it_was_read_is_no_answer(self) -> None:
        kind = "Content-Type: multipart/report; report-type=disposition-notification; boundary=b"
        mail = Mail("1", REPLIES, f"From: w@x.cn\r\n{kind}\r\n\r\n--b\r\n\r\nRead\r\n".encode())
        assert said(mail) == Ignored()

    def test_no_automatic_answer_says_so(self) -> None:
        assert isinstance(said(answer("TD", "Auto-Submitted: no")), Reply)

    def test_without_a_token_it_is_nobodys(self) -> None:
        assert isinstance(said(answer("退订", to="mail@hub.example")), Refused)


class TestWhateverComes:
    @given(st.binary(max_size=2_000))
    def test_nothing_stops_the_mailbox(self, data: bytes) -> None:
        for to in (BOUNCES, REPLIES, ""):
            assert isinstance(said(Mail("1", to, data)), Receipt | Reply | Ignored | Refused)

    @given(st.data())
    def test_a_report_that_was_torn_reads_as_something(self, data: st.DataObject) -> None:
        whole = report("Action: failed\nStatus: 5.1.1").data
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
        torn = whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:]
        found = said(Mail("1", BOUNCES, torn))
        assert isinstance(found, Receipt | Ignored | Refused)

    def test_mails_in_mails_in_mails(self) -> None:
        head = b"Content-Type: message/rfc822\r\n\r\n"
        assert not isinstance(said(Mail("1", BOUNCES, head * 20_000)), Receipt)

    def test_a_mail_that_is_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MAIL_BYTES_MAX", 100)
        assert said(failed()) == Refused("it is too long")


class TestRecipients:
    def test_servers_write_them_down(self) -> None:
        data = f"Delivered-To: {BOUNCES}\r\nTo: x@y.cn,\r\n z@y.cn\r\n\r\nTo: evil@y.cn".encode()
        found = recipients(data)
        assert RETURNS.attempt_of("bounce", found) == ATTEMPT
        assert "z@y.cn" in found
        assert "evil" not in found

    def test_lines_may_end_as_on_unix(self) -> None:
        assert "a@b.cn" in recipients(b"Subject: x\nX-Original-To: a@b.cn\n\nhello")
        assert recipients(b"\nTo: a@b.cn") == ""
