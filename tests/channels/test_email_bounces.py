"""Bounces that are no reports, in the words of the servers that write them."""

from email.message import Message
from email.parser import Parser

import pytest

from channels.email_bounces import bounce_code, is_answer

POSTFIX = """
This is the Postfix program at host mx.example.

I'm sorry to have to inform you that your message could not be delivered.

<wang@example.cn>: host mail.example.cn[192.0.2.1] said: 550 5.1.1
    <wang@example.cn>: Recipient address rejected (in reply to RCPT TO command)
"""
QMAIL = """
Hi. This is the qmail-send program at mx.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<wang@example.cn>:
192.0.2.1 does not like recipient.
Remote host said: 550 User not found
Giving up on 192.0.2.1.

--- Below this line is a copy of the message.
"""
QMAIL_LOCAL = """
Hi. This is the qmail-send program at mx.example.

<wang@example.cn>:
Sorry, no mailbox here by that name. (#5.1.1)
"""
SENDMAIL = """
   ----- The following addresses had permanent fatal errors -----
<wang@example.cn>

   ----- Transcript of session follows -----
... while talking to mail.example.cn.:
>>> RCPT To:<wang@example.cn>
<<< 553 sorry, that domain isn't in my list
"""
EXCHANGE = """
Your message did not reach some or all of the intended recipients.

      The e-mail account does not exist at the organization.
            <mx.example #5.1.1 smtp;550 5.1.1 User unknown>
"""
YAHOO = """
Sorry, we were unable to deliver your message to the following address.

<wang@example.cn>:
550: 5.1.1 <wang@example.cn>: User unknown in local recipient table
"""
EXIM = """
A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  wang@example.cn
    unrouteable mail domain
"""
EXIM_WAITS = """
This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on mx.example.
No action is required on your part. Delivery attempts will continue.
"""
SENDMAIL_WAITS = """
    **      THIS IS A WARNING MESSAGE ONLY      **
    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **

   ----- The following addresses had transient non-fatal errors -----
<<< 451 4.7.1 greylisted
Warning: message still undelivered after 4 hours
"""
AWAY = """
I am away until 5.1.27 and read no mail. Call 550 1234 if it cannot wait.

On Mon, 24 Nov 2026 notice@122.gov.cn wrote:
> Fine: 550 yuan
"""
RETURNED = """
It was not delivered.

--- Original message follows.

A server said: 550 5.1.1 no such user
"""


def mail(words: str, *headers: str) -> Message:
    return Parser().parsestr("\n".join((*headers, "")) + "\n" + words.lstrip("\n"))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (POSTFIX, "no report 550 5.1.1"),
        (QMAIL, "no report 550"),
        (QMAIL_LOCAL, "no report 5.1.1"),
        (SENDMAIL, "no report 553"),
        (EXCHANGE, "no report 550 5.1.1"),
        (YAHOO, "no report 550 5.1.1"),
        (EXIM, "no report"),
    ],
)
def test_what_servers_write(words: str, code: str) -> None:
    assert bounce_code(mail(words)) == code


@pytest.mark.parametrize("words", [EXIM_WAITS, SENDMAIL_WAITS, AWAY, RETURNED, "", "退信"])
def test_what_does_not_say_that_all_is_over(words: str) -> None:
    assert bounce_code(mail(words)) == ""


def test_whom_exim_names_was_not_reached() -> None:
    named = mail(
        "无法投递。", "X-Failed-Recipients: wang@example.cn", "Auto-Submitted: auto-replied"
    )
    assert bounce_code(named) == "no report"
    assert not is_answer(named)


def test_the_mail_that_is_returned_says_nothing() -> None:
    parts = "\n".join(
        (
            "--b", "", "It could not be delivered.", "",
            "--b", "Content-Type: message/rfc822", "", "Subject: x", "", "said: 550 5.1.1 no", "",
            "--b--", "",
        )
    )  # fmt: skip
    assert bounce_code(mail(parts, 'Content-Type: multipart/mixed; boundary="b"')) == ""


@pytest.mark.parametrize(
    "header",
    ["Auto-Submitted: auto-replied", "Auto-Submitted: auto-replied (vacation)", "List-Id: <l.x>",
     "Precedence: bulk", "Precedence: auto_reply", "X-Autoreply: yes", "X-Autorespond: 1"],
)  # fmt: skip
def test_what_marks_an_automatic_answer(header: str) -> None:
    assert is_answer(mail("", header))


@pytest.mark.parametrize("header", ["Subject: x", "Auto-Submitted: auto-generated (failure)"])
def test_what_marks_none(header: str) -> None:
    assert not is_answer(mail("", header))
