"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """What becomes of rows that are there."""
    ${upgrades if upgrades else "raise NotImplementedError"}
