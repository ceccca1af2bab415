"""The first tables: journal, archive, recipients, and what follows the journal.

Written down as SQL, a file for each database, and not made from the tables the code describes
today: what a revision made must never change, whatever becomes of the code.
"""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make everything in an empty database."""
    dialect = op.get_context().dialect.name
    file = Path(__file__).with_name(f"0001_first.{dialect}.sql")
    for statement in file.read_text(encoding="utf-8").split("\n\n"):
        op.get_bind().exec_driver_sql(statement)
