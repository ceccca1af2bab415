"""Owners of lane partitions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Nobody owns anything until the first claim."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "lane_owner",
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", number, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("at_ms", number, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
