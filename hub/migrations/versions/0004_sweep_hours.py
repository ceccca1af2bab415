"""What the hourly looks did."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Up to when the last one looked stands; nobody wrote down what it did."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "sweep_hour",
        sa.Column("at_ms", number, primary_key=True, autoincrement=False),
        sa.Column("escalated", number, nullable=False),
        sa.Column("closed", number, nullable=False),
        sa.Column("caught", number, nullable=False),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO sweep_hour SELECT at_ms, 0, 0, 0 FROM sweep")
    op.drop_table("sweep")
