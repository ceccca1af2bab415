"""What carriers charge."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """What was accepted before is free: nobody wrote its price down."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "cost",
        sa.Column("day_ms", number, primary_key=True, autoincrement=False),
        sa.Column("notice", sa.Text, primary_key=True),
        sa.Column("lane", sa.Text, primary_key=True),
        sa.Column("messages", number, nullable=False),
        sa.Column("segments", number, nullable=False),
        sa.Column("cost", number, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
