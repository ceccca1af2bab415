"""``hub report``, ``history`` and ``explain``: what became of it all, of a person, of one."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hub.commands.console import Json, an_id, fail, say, say_json, settings, table

if TYPE_CHECKING:
    from streams.views import Cost, Parts


def report(
    recount: Annotated[
        bool, typer.Option("--recount", help="Count the journal itself, and compare.")
    ] = False,
    json: Json = False,
) -> None:
    """The accounts: what became of all notifications, by channel, carrier and notice.

    With --recount it ends with 1 when the read models and the journal disagree.
    """
    from hub.books import open_books
    from streams.recount import recount as count_again

    with open_books(settings()) as books:
        known, reached = books.reading.accounts()
        again = count_again(books.store, reached) if recount else known
    if json:
        say_json(known)
    else:
        _show_parts("All", {"notifications": known.total})
        _show_parts("By channel", known.by_channel)
        _show_parts("By carrier", known.by_carrier)
        _show_parts("By notice", known.by_notice)
        if known.costs:
            _show_costs({"(all)": known.cost, **known.costs})
    if again != known:
        fail(
            f"up to row {reached:,} the journal comes to other accounts, "
            f"of {again.total.notifications:,} notifications in all: `hub rebuild` makes the read "
            "models again"
        )


PARTS = {
    "notifications": "all",
    "delivered": "deliv.",
    "undelivered": "undeliv.",
    "suppressed": "suppr.",
    "unconfirmed": "unconf.",
    "expired": "expired",
    "cancelled": "canc.",
    "in_flight": "in flight",
}
"""The parts, and headings for them that fit a terminal of eighty columns with their numbers."""


def _show_parts(title: str, parts: "dict[str, Parts]") -> None:
    rows = [
        (name or "(none yet)", *(getattr(one, part) for part in PARTS))
        for name, one in parts.items()
    ]
    table(title, ("", *PARTS.values()), rows)
    say()


def _show_costs(costs: "dict[str, Cost]") -> None:
    """In the currency unit of the lanes file."""
    rows = [
        (name, one.messages, one.segments, f"{one.cost / 10_000:,.2f}", f"{one.each:.4f}")
        for name, one in costs.items()
    ]
    table("Cost of what was accepted", ("", "messages", "segments", "cost", "each"), rows)
    say()


def history(
    recipient: Annotated[str, typer.Argument(help="The recipient's reference, or an alias.")],
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 50,
    json: Json = False,
) -> None:
    """What one recipient was told, the newest first."""
    from hub.books import open_books

    with open_books(settings()) as books:
        legs = books.reading.history(recipient, limit)
        known = bool(legs) or books.reading.knows(recipient)
    if not known:
        fail(f"nothing is known of {recipient}")
    if json:
        say_json(legs)
        return
    if not legs:
        say(f"{recipient} was told nothing yet")
        return
    rows = [
        (moment_of(leg.at_ms), leg.notice, leg.channel, leg.status, leg.reason, leg.stream)
        for leg in legs
    ]
    table("", ("last moved", "notice", "channel", "status", "reason", "id"), rows)


def explain(
    notification: Annotated[str, typer.Argument(help="Its id, as history and pages show it.")],
    language: Annotated[Literal["zh", "en"], typer.Option(help="In which language.")] = "zh",
    json: Json = False,
) -> None:
    """Tell one notification from first to last, with the reasons of every decision."""
    from hub.books import open_books
    from streams.explanations import explain_stream, text
    from streams.policies import published

    with open_books(settings()) as books:
        policies = published(books.store, books.keys)
        story = explain_stream(books.store, bytes.fromhex(an_id(notification)), policies, language)
    if story is None:
        fail(f"no notification has the id {notification}")
    if json:
        say_json(story)
    else:
        say(text(story, language))


def moment_of(ms: int) -> str:
    """A time as the clock in China shows it."""
    from preferences.rules import CHINA
    from streams.core.names import moment

    return moment(ms, CHINA)
