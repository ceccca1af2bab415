"""The command line: ``hub COMMAND``.

Every command imports what it works with when it runs, so that ``hub --help`` answers at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from hub.commands import (
    abroad,
    archiving,
    asking,
    bringing,
    doctoring,
    keeping,
    keys,
    lanes,
    migrating,
    playing,
    publishing,
    quarantine,
    replaying,
    secrets,
    serving,
    topics,
    working,
)
from hub.commands.console import Commands, settings_file

app = typer.Typer(
    cls=Commands,
    name="hub",
    help="Fenghuo (烽火): tells people what a public authority has to tell them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph, as our docstrings mean it
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _hub(
    settings: Annotated[
        Path | None,
        typer.Option(help="TOML file of settings; the environment wins.", dir_okay=False),
    ] = None,
) -> None:
    settings_file.set(settings)


app.command()(serving.up)
app.command()(playing.demo)
app.command()(serving.sandbox)
app.command("twilio-sandbox")(serving.twilio_sandbox)
app.command("http-sandbox")(serving.http_sandbox)
app.command()(working.worker)
app.command()(working.web)
app.command()(bringing.publish)
app.add_typer(bringing.recipients, name="recipients")
app.add_typer(keys.keys, name="key")
app.command()(asking.report)
app.add_typer(lanes.lanes, name="lanes")
app.command()(asking.history)
app.command()(asking.explain)
app.add_typer(quarantine.quarantine, name="quarantine")
app.add_typer(publishing.wording, name="wording")
app.add_typer(publishing.policy, name="policy")
app.add_typer(abroad.abroad, name="abroad")
app.command()(replaying.replay)
app.add_typer(archiving.archive, name="archive")
app.command()(migrating.migrate)
app.command()(topics.topics)
app.command()(keeping.verify)
app.command()(keeping.checkpoint)
app.command()(keeping.rebuild)
app.command()(playing.simulate)
app.command()(doctoring.doctor)
app.command()(doctoring.health)
app.command()(secrets.secrets)

if __name__ == "__main__":
    app()
