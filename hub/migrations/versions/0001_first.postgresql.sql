CREATE TABLE journal (
    pos BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    version INTEGER NOT NULL,
    shard SMALLINT NOT NULL,
    stream BYTEA NOT NULL,
    type TEXT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (stream, version, shard)
) PARTITION BY RANGE (stream)

CREATE INDEX journal_pos ON journal (shard, pos)

CREATE TABLE lookup (
    pos BIGINT NOT NULL,
    shard SMALLINT NOT NULL,
    key BYTEA NOT NULL,
    sub BYTEA NOT NULL,
    stream BYTEA NOT NULL
)

CREATE INDEX lookup_key ON lookup (shard, key)

CREATE TABLE timer (
    due_ms BIGINT NOT NULL,
    shard SMALLINT NOT NULL,
    stream BYTEA NOT NULL,
    kind TEXT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02)

CREATE INDEX timer_due ON timer (shard, due_ms, stream)

CREATE TABLE archive (
    number BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    month INTEGER NOT NULL,
    shard SMALLINT NOT NULL,
    key BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    type TEXT NOT NULL,
    recipient TEXT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (shard, number, month)
) PARTITION BY LIST (month)

CREATE TABLE archive_key (
    number BIGINT NOT NULL,
    month INTEGER NOT NULL,
    shard SMALLINT NOT NULL,
    key BYTEA NOT NULL,
    PRIMARY KEY (shard, key)
)

CREATE TABLE archive_removal (
    shard SMALLINT NOT NULL,
    month INTEGER NOT NULL,
    rows BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (shard, month)
)

CREATE TABLE journal_head (
    pos BIGINT NOT NULL,
    archive BIGINT NOT NULL,
    number BIGINT NOT NULL,
    shard SMALLINT NOT NULL,
    chain BYTEA NOT NULL,
    PRIMARY KEY (shard)
) WITH (fillfactor = 10)

CREATE TABLE journal_batch (
    number BIGINT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    archive_first BIGINT NOT NULL,
    archive_last BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    shard SMALLINT NOT NULL,
    root BYTEA NOT NULL,
    archive_root BYTEA NOT NULL,
    marks BYTEA NOT NULL,
    archive_marks BYTEA NOT NULL,
    chain BYTEA NOT NULL,
    PRIMARY KEY (shard, number)
)

CREATE INDEX journal_batch_last ON journal_batch (shard, last)

CREATE TABLE projection_checkpoint (
    name TEXT NOT NULL,
    pos BIGINT NOT NULL,
    PRIMARY KEY (name)
)

CREATE TABLE journal_named PARTITION OF journal
    FOR VALUES FROM ('\x03c000000000') TO (MAXVALUE)

CREATE TABLE journal_other PARTITION OF journal DEFAULT

CREATE TABLE archive_other PARTITION OF archive DEFAULT

ALTER TABLE journal ALTER data SET STORAGE EXTERNAL

ALTER TABLE archive ALTER data SET STORAGE EXTERNAL

CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0] || ' is append-only';
END $$

CREATE FUNCTION archive_goes_by_months() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM archive_removal WHERE shard = OLD.shard AND month = OLD.month) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0] || ' is append-only';
END $$

CREATE TRIGGER journal_no_update BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only('journal')

CREATE TRIGGER journal_batch_no_update BEFORE UPDATE OR DELETE ON journal_batch
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only('journal_batch')

CREATE TRIGGER lookup_no_update BEFORE UPDATE OR DELETE ON lookup
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only('lookup')

CREATE TRIGGER archive_removal_no_update BEFORE UPDATE OR DELETE ON archive_removal
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only('archive_removal')

CREATE TRIGGER archive_no_update BEFORE UPDATE ON archive
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only('archive')

CREATE TRIGGER archive_no_delete BEFORE DELETE ON archive
    FOR EACH ROW EXECUTE FUNCTION archive_goes_by_months('archive')

CREATE TRIGGER archive_key_no_update BEFORE UPDATE ON archive_key
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only('archive_key')

CREATE TRIGGER archive_key_no_delete BEFORE DELETE ON archive_key
    FOR EACH ROW EXECUTE FUNCTION archive_goes_by_months('archive_key')

CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only('journal')

CREATE TRIGGER journal_batch_no_truncate BEFORE TRUNCATE ON journal_batch
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only('journal_batch')

CREATE TRIGGER lookup_no_truncate BEFORE TRUNCATE ON lookup
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only('lookup')

CREATE TRIGGER archive_removal_no_truncate BEFORE TRUNCATE ON archive_removal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only('archive_removal')

CREATE TRIGGER archive_no_truncate BEFORE TRUNCATE ON archive
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only('archive')

CREATE TRIGGER archive_key_no_truncate BEFORE TRUNCATE ON archive_key
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only('archive_key')

CREATE TABLE recipient (
    ref TEXT NOT NULL,
    wrapped_key BYTEA,
    profile BYTEA,
    preferences BYTEA,
    profile_ms BIGINT NOT NULL,
    preferences_version INTEGER NOT NULL,
    erased_ms BIGINT NOT NULL,
    PRIMARY KEY (ref)
)

CREATE TABLE contact_index (
    blind BYTEA NOT NULL,
    ref TEXT NOT NULL,
    PRIMARY KEY (blind, ref)
)

CREATE INDEX contact_index_ref ON contact_index (ref)

CREATE TABLE alias_index (
    blind BYTEA NOT NULL,
    ref TEXT NOT NULL,
    PRIMARY KEY (blind)
)

CREATE INDEX alias_index_ref ON alias_index (ref)

CREATE TABLE address (
    blind BYTEA NOT NULL,
    carrier TEXT NOT NULL,
    suppressed TEXT NOT NULL,
    PRIMARY KEY (blind)
)

CREATE TABLE recipient_change (
    one INTEGER NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (one)
)

CREATE TABLE link (
    hash BYTEA NOT NULL,
    scope TEXT NOT NULL,
    ref TEXT NOT NULL,
    about TEXT NOT NULL,
    expires_ms BIGINT NOT NULL,
    PRIMARY KEY (hash)
)

CREATE INDEX link_expires ON link (expires_ms)

CREATE INDEX link_ref ON link (ref)

CREATE TABLE inbox_message (
    stream BYTEA NOT NULL,
    version INTEGER NOT NULL,
    recipient VARCHAR(128) NOT NULL,
    sealed BYTEA NOT NULL,
    at_ms BIGINT NOT NULL,
    read_ms BIGINT,
    reported BOOLEAN NOT NULL,
    PRIMARY KEY (stream)
)

CREATE INDEX inbox_message_recipient ON inbox_message (recipient, at_ms)

CREATE INDEX inbox_message_unreported ON inbox_message (at_ms) WHERE NOT reported

CREATE TABLE sweep (
    one INTEGER NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (one)
)

CREATE TABLE api_key (
    id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    revoked_ms BIGINT NOT NULL,
    PRIMARY KEY (id)
)

CREATE TABLE standing (
    category TEXT NOT NULL,
    notice TEXT NOT NULL,
    cls TEXT NOT NULL,
    channel TEXT NOT NULL,
    lane TEXT NOT NULL,
    carrier TEXT NOT NULL,
    region TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (category, notice, cls, channel, lane, carrier, region)
)

CREATE TABLE suppressed_reason (
    reason TEXT NOT NULL,
    notice TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (reason, notice)
)

CREATE TABLE rate (
    start_ms BIGINT NOT NULL,
    span_ms BIGINT NOT NULL,
    notice TEXT NOT NULL,
    cls TEXT NOT NULL,
    channel TEXT NOT NULL,
    lane TEXT NOT NULL,
    carrier TEXT NOT NULL,
    region TEXT NOT NULL,
    routed BIGINT NOT NULL,
    held BIGINT NOT NULL,
    suppressed BIGINT NOT NULL,
    escalated BIGINT NOT NULL,
    intended BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    throttled BIGINT NOT NULL,
    not_sent BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    unknown BIGINT NOT NULL,
    delivered BIGINT NOT NULL,
    undelivered BIGINT NOT NULL,
    read BIGINT NOT NULL,
    unconfirmed BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    expired BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    PRIMARY KEY (start_ms, span_ms, notice, cls, channel, lane, carrier, region)
)

CREATE INDEX rate_span ON rate (span_ms, start_ms)

CREATE TABLE quarantine_item (
    stream BYTEA NOT NULL,
    pos BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    "where" TEXT NOT NULL,
    field TEXT NOT NULL,
    expected TEXT NOT NULL,
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    state TEXT NOT NULL,
    closed_ms BIGINT NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (stream)
)

CREATE INDEX quarantine_item_state ON quarantine_item (state, pos)

INSERT INTO projection_checkpoint (name, pos) VALUES ('legs', 0), ('quarantine', 0)
