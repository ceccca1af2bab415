"""Mails as they come back: reports, complaints and answers, put together for tests."""

from channels.email_returns import Returns
from channels.mailbox import Mail

RETURNS = Returns("mail@hub.example", bytes(range(32)))
ATTEMPT = "0123456789abcdef" * 2 + ":7"
BOUNCES = RETURNS.address_of("bounce", ATTEMPT)
REPLIES = RETURNS.address_of("reply", ATTEMPT)


def report(*groups: str, envid: str = ATTEMPT, to: str = BOUNCES, number: str = "1") -> Mail:
    """A delivery status notification, one group of fields for each recipient."""
    about = "Reporting-MTA: dns; mx.example\r\n"
    about += f"Original-Envelope-Id: {envid}\r\n" if envid else ""
    fields = "\r\n".join([about, *(group.replace("\n", "\r\n") + "\r\n" for group in groups)])
    text = (
        "From: MAILER-DAEMON@mx.example\r\n"
        f"To: {to}\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"\r\n'
        "\r\n--=_b\r\nContent-Type: text/plain\r\n\r\nI am sorry.\r\n"
        f"\r\n--=_b\r\nContent-Type: message/delivery-status\r\n\r\n{fields}"
        "\r\n--=_b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n\r\n--=_b--\r\n"
    )
    return Mail(number, to, text.encode())


def failed(status: str = "5.1.1", to: str = BOUNCES) -> Mail:
    return report(f"Final-Recipient: rfc822; a@b.cn\nAction: failed\nStatus: {status}", to=to)


def complaint(kind: str = "abuse", mail_from: str = BOUNCES, head: str = "Subject: x") -> Mail:
    """Feedback about a mail of ours, as providers send it to where they were told to."""
    to = "abuse@hub.example"
    text = (
        f"From: feedback@provider.example\r\nTo: {to}\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="=_b"\r\n'
        "\r\n--=_b\r\nContent-Type: text/plain\r\n\r\nThis is a complaint.\r\n"
        "\r\n--=_b\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {kind}\r\nUser-Agent: p/1\r\nVersion: 1\r\n"
        f"Original-Mail-From: <{mail_from}>\r\n"
        f"\r\n--=_b\r\nContent-Type: message/rfc822\r\n\r\n{head}\r\n\r\nhello\r\n\r\n--=_b--\r\n"
    )
    return Mail("1", to, text.encode())


def answer(
    text: str, *more: str, to: str = REPLIES, charset: str = "utf-8", subject: str = "Re: x"
) -> Mail:
    """What somebody wrote back."""
    head = [
        "From: =?utf-8?B?546L5Li9?= <wang@example.cn>",
        f"To: {to}",
        f"Subject: {subject}",
        "MIME-Version: 1.0",
        f"Content-Type: text/plain; charset={charset}",
        "Content-Transfer-Encoding: 8bit",
        *more,
    ]
    return Mail("1", to, "\r\n".join([*head, "", ""]).encode() + text.encode(charset))
