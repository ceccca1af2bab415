CREATE TABLE journal (
    pos INTEGER NOT NULL,
    stream BLOB NOT NULL,
    version INTEGER NOT NULL,
    type TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (pos),
    UNIQUE (stream, version)
) STRICT

CREATE TABLE lookup (
    "key" BLOB NOT NULL,
    sub BLOB NOT NULL,
    stream BLOB NOT NULL,
    pos INTEGER NOT NULL,
    PRIMARY KEY ("key", sub, stream)
) WITHOUT ROWID, STRICT

CREATE TABLE timer (
    due_ms INTEGER NOT NULL,
    stream BLOB NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (due_ms, stream, kind)
) WITHOUT ROWID, STRICT

CREATE TABLE archive (
    number INTEGER NOT NULL,
    "key" BLOB NOT NULL,
    digest BLOB NOT NULL,
    month INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    type TEXT NOT NULL,
    recipient TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (number),
    UNIQUE ("key")
) STRICT

CREATE TABLE archive_removal (
    month INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (month)
) STRICT

CREATE TABLE journal_head (
    shard INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    archive INTEGER NOT NULL,
    chain BLOB NOT NULL,
    PRIMARY KEY (shard)
) STRICT

CREATE TABLE journal_batch (
    number INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    archive_first INTEGER NOT NULL,
    archive_last INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    root BLOB NOT NULL,
    archive_root BLOB NOT NULL,
    marks BLOB NOT NULL,
    archive_marks BLOB NOT NULL,
    chain BLOB NOT NULL,
    PRIMARY KEY (number)
) STRICT

CREATE INDEX journal_batch_last ON journal_batch (last)

CREATE TABLE projection_checkpoint (
    name TEXT NOT NULL,
    pos INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT

CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
BEGIN
    SELECT RAISE(ABORT, 'journal is append-only');
END

CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
BEGIN
    SELECT RAISE(ABORT, 'journal is append-only');
END

CREATE TRIGGER journal_batch_no_update BEFORE UPDATE ON journal_batch
BEGIN
    SELECT RAISE(ABORT, 'journal_batch is append-only');
END

CREATE TRIGGER journal_batch_no_delete BEFORE DELETE ON journal_batch
BEGIN
    SELECT RAISE(ABORT, 'journal_batch is append-only');
END

CREATE TRIGGER archive_removal_no_update BEFORE UPDATE ON archive_removal
BEGIN
    SELECT RAISE(ABORT, 'archive_removal is append-only');
END

CREATE TRIGGER archive_removal_no_delete BEFORE DELETE ON archive_removal
BEGIN
    SELECT RAISE(ABORT, 'archive_removal is append-only');
END

CREATE TRIGGER archive_no_update BEFORE UPDATE ON archive
BEGIN
    SELECT RAISE(ABORT, 'archive is append-only');
END

CREATE TRIGGER archive_no_delete BEFORE DELETE ON archive
    WHEN NOT EXISTS (SELECT 1 FROM archive_removal WHERE month = OLD.month)
BEGIN
    SELECT RAISE(ABORT, 'archive is append-only');
END

CREATE TABLE recipient (
    ref TEXT NOT NULL,
    wrapped_key BLOB,
    profile BLOB,
    preferences BLOB,
    profile_ms INTEGER NOT NULL,
    preferences_version INTEGER NOT NULL,
    erased_ms INTEGER NOT NULL,
    PRIMARY KEY (ref)
) STRICT

CREATE TABLE contact_index (
    blind BLOB NOT NULL,
    ref TEXT NOT NULL,
    PRIMARY KEY (blind, ref)
) WITHOUT ROWID, STRICT

CREATE INDEX contact_index_ref ON contact_index (ref)

CREATE TABLE alias_index (
    blind BLOB NOT NULL,
    ref TEXT NOT NULL,
    PRIMARY KEY (blind)
) WITHOUT ROWID, STRICT

CREATE INDEX alias_index_ref ON alias_index (ref)

CREATE TABLE address (
    blind BLOB NOT NULL,
    carrier TEXT NOT NULL,
    suppressed TEXT NOT NULL,
    PRIMARY KEY (blind)
) WITHOUT ROWID, STRICT

CREATE TABLE recipient_change (
    one INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (one)
) STRICT

CREATE TABLE link (
    hash BLOB NOT NULL,
    scope TEXT NOT NULL,
    ref TEXT NOT NULL,
    about TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (hash)
) WITHOUT ROWID, STRICT

CREATE INDEX link_expires ON link (expires_ms)

CREATE INDEX link_ref ON link (ref)

CREATE TABLE inbox_message (
    stream BLOB NOT NULL,
    version INTEGER NOT NULL,
    recipient VARCHAR(128) NOT NULL,
    sealed BLOB NOT NULL,
    at_ms BIGINT NOT NULL,
    read_ms BIGINT,
    reported BOOLEAN NOT NULL,
    PRIMARY KEY (stream)
)

CREATE INDEX inbox_message_recipient ON inbox_message (recipient, at_ms)

CREATE INDEX inbox_message_unreported ON inbox_message (at_ms) WHERE reported = 0

CREATE TABLE sweep (
    one INTEGER NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (one)
)

CREATE TABLE api_key (
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    revoked_ms INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT

CREATE TABLE standing (
    category TEXT NOT NULL,
    notice TEXT NOT NULL,
    cls TEXT NOT NULL,
    channel TEXT NOT NULL,
    lane TEXT NOT NULL,
    carrier TEXT NOT NULL,
    region TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (category, notice, cls, channel, lane, carrier, region)
) WITHOUT ROWID, STRICT

CREATE TABLE suppressed_reason (
    reason TEXT NOT NULL,
    notice TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (reason, notice)
) WITHOUT ROWID, STRICT

CREATE TABLE rate (
    start_ms INTEGER NOT NULL,
    span_ms INTEGER NOT NULL,
    notice TEXT NOT NULL,
    cls TEXT NOT NULL,
    channel TEXT NOT NULL,
    lane TEXT NOT NULL,
    carrier TEXT NOT NULL,
    region TEXT NOT NULL,
    routed INTEGER NOT NULL,
    held INTEGER NOT NULL,
    suppressed INTEGER NOT NULL,
    escalated INTEGER NOT NULL,
    intended INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    throttled INTEGER NOT NULL,
    not_sent INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    undelivered INTEGER NOT NULL,
    read INTEGER NOT NULL,
    unconfirmed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    PRIMARY KEY (start_ms, span_ms, notice, cls, channel, lane, carrier, region)
) WITHOUT ROWID, STRICT

CREATE INDEX rate_span ON rate (span_ms, start_ms)

CREATE TABLE quarantine_item (
    stream BLOB NOT NULL,
    pos INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    "where" TEXT NOT NULL,
    field TEXT NOT NULL,
    expected TEXT NOT NULL,
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    state TEXT NOT NULL,
    closed_ms INTEGER NOT NULL,
    "by" TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (stream)
) WITHOUT ROWID, STRICT

CREATE INDEX quarantine_item_state ON quarantine_item (state, pos)

INSERT INTO projection_checkpoint (name, pos) VALUES ('legs', 0), ('quarantine', 0)
