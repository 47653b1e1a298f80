-- Purpose: the tables of the analytics store. Everything here can be made again from the ledger.
-- Grain:   lines: one usage line (sandbox lines never come here). roll_*: sums of one sync's lines
--          of one cell; several rows of a cell add up. moves: one delivery receipt that moved a
--          line from one status to another; lines keep the status they came with, and roll_day
--          follows. Sums by campaign and consumer stand beside finer ones of the two together and
--          with what was used: those are many, so they lie in months as lines do, and one
--          campaign's together. sync_state: one row.
-- Columns: *_micros in millionths of the currency; base_units in the metric's base unit;
--          talk_seconds in seconds; occurred_at in UTC; booked_on the account's local day;
--          local_month its year and month (YYYY-MM), the partition; pos the ledger position up to
--          which the other tables are complete, receipts_pos the same of receipts. moves: seq is
--          the receipt's, line_seq and all but the two statuses the line's.
-- Parameters: $layout: which tables these are, LAYOUT of data/analytics/lake.py.
-- Sources: usage_lines and receipts of the ledger, through data/analytics/sync.py alone.
CREATE TABLE lake.lines (
    seq BIGINT, id VARCHAR, account_id VARCHAR, event_id VARCHAR, metric VARCHAR, service VARCHAR,
    direction VARCHAR, agent VARCHAR, status VARCHAR, campaign_id VARCHAR, consumer_id VARCHAR,
    occurred_at TIMESTAMP, booked_on DATE, local_month VARCHAR, base_units BIGINT, pulses BIGINT,
    talk_seconds BIGINT, connect_fee_micros BIGINT, cost_micros BIGINT, currency VARCHAR
);
ALTER TABLE lake.lines SET PARTITIONED BY (local_month);
ALTER TABLE lake.lines SET SORTED BY (account_id ASC, occurred_at ASC);
CREATE TABLE lake.moves (
    seq BIGINT, line_seq BIGINT, account_id VARCHAR, metric VARCHAR, service VARCHAR,
    direction VARCHAR, previous_status VARCHAR, status VARCHAR, campaign_id VARCHAR,
    consumer_id VARCHAR, occurred_at TIMESTAMP, booked_on DATE, local_month VARCHAR,
    base_units BIGINT, pulses BIGINT, talk_seconds BIGINT, cost_micros BIGINT
);
ALTER TABLE lake.moves SET PARTITIONED BY (local_month);
ALTER TABLE lake.moves SET SORTED BY (account_id ASC, line_seq ASC);
CREATE TABLE lake.roll_day (
    account_id VARCHAR, booked_on DATE, metric VARCHAR, service VARCHAR, direction VARCHAR,
    status VARCHAR, line_count BIGINT, base_units BIGINT, pulses BIGINT, talk_seconds BIGINT,
    cost_micros BIGINT
);
ALTER TABLE lake.roll_day SET SORTED BY (account_id ASC, booked_on ASC);
CREATE TABLE lake.roll_campaign (
    account_id VARCHAR, booked_on DATE, campaign_id VARCHAR, line_count BIGINT,
    base_units BIGINT, pulses BIGINT, talk_seconds BIGINT, cost_micros BIGINT
);
ALTER TABLE lake.roll_campaign SET SORTED BY (account_id ASC, booked_on ASC);
CREATE TABLE lake.roll_consumer (
    account_id VARCHAR, booked_on DATE, consumer_id VARCHAR, line_count BIGINT,
    base_units BIGINT, pulses BIGINT, talk_seconds BIGINT, cost_micros BIGINT
);
ALTER TABLE lake.roll_consumer SET SORTED BY (account_id ASC, booked_on ASC);
CREATE TABLE lake.roll_campaign_metric (
    account_id VARCHAR, booked_on DATE, local_month VARCHAR, campaign_id VARCHAR, metric VARCHAR,
    service VARCHAR, direction VARCHAR, line_count BIGINT, base_units BIGINT, pulses BIGINT,
    talk_seconds BIGINT, cost_micros BIGINT
);
ALTER TABLE lake.roll_campaign_metric SET PARTITIONED BY (local_month);
ALTER TABLE lake.roll_campaign_metric
    SET SORTED BY (account_id ASC, campaign_id ASC, booked_on ASC);
CREATE TABLE lake.roll_consumer_metric (
    account_id VARCHAR, booked_on DATE, local_month VARCHAR, consumer_id VARCHAR, metric VARCHAR,
    service VARCHAR, direction VARCHAR, line_count BIGINT, base_units BIGINT, pulses BIGINT,
    talk_seconds BIGINT, cost_micros BIGINT
);
ALTER TABLE lake.roll_consumer_metric SET PARTITIONED BY (local_month);
ALTER TABLE lake.roll_consumer_metric
    SET SORTED BY (account_id ASC, consumer_id ASC, booked_on ASC);
CREATE TABLE lake.roll_campaign_consumer (
    account_id VARCHAR, booked_on DATE, local_month VARCHAR, campaign_id VARCHAR,
    consumer_id VARCHAR, line_count BIGINT, base_units BIGINT, pulses BIGINT, talk_seconds BIGINT,
    cost_micros BIGINT
);
ALTER TABLE lake.roll_campaign_consumer SET PARTITIONED BY (local_month);
ALTER TABLE lake.roll_campaign_consumer
    SET SORTED BY (account_id ASC, campaign_id ASC, consumer_id ASC, booked_on ASC);
CREATE TABLE lake.sync_state (
    source VARCHAR, pos BIGINT, ledger_id VARCHAR, receipts_pos BIGINT, layout BIGINT
);
INSERT INTO lake.sync_state VALUES ('usage_lines', 0, $ledger_id, 0, $layout);
