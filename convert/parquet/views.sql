-- Views over an export for DuckDB 1.1 and later: the tables, and ten stock questions.
--
--   SET VARIABLE ownlog = '/path/to/export';
--   .read views.sql
--
-- Only the files that the manifest counts are read. Run it again after a new
-- export. Money is in 10^-9 USD in columns that end in _nusd, and in USD in those
-- that end in _usd. Absent is NULL: sum() and avg() pass it over.

SET VARIABLE ownlog_files = (
    SELECT map_from_entries(list((t, files))) FROM (
        SELECT "table" AS t,
            coalesce(list(DISTINCT getvariable('ownlog') || '/' || path) FILTER (path IS NOT NULL), [])
                || [getvariable('ownlog') || '/' || "table" || '/date=__HIVE_DEFAULT_PARTITION__/empty.parquet'] AS files
        FROM read_ndjson(getvariable('ownlog') || '/manifest.jsonl', columns = {"table": 'VARCHAR', path: 'VARCHAR'})
        GROUP BY "table"));

SET VARIABLE ownlog_sessions = getvariable('ownlog_files')['sessions'];
SET VARIABLE ownlog_events = getvariable('ownlog_files')['events'];
SET VARIABLE ownlog_blocks = getvariable('ownlog_files')['blocks'];
SET VARIABLE ownlog_model_calls = getvariable('ownlog_files')['model_calls'];
SET VARIABLE ownlog_tool_calls = getvariable('ownlog_files')['tool_calls'];
SET VARIABLE ownlog_file_touches = getvariable('ownlog_files')['file_touches'];
SET VARIABLE ownlog_compactions = getvariable('ownlog_files')['compactions'];

CREATE OR REPLACE TEMP VIEW sessions AS SELECT * FROM read_parquet(getvariable('ownlog_sessions'), hive_partitioning = true);
CREATE OR REPLACE TEMP VIEW events AS SELECT * FROM read_parquet(getvariable('ownlog_events'), hive_partitioning = true);
CREATE OR REPLACE TEMP VIEW blocks AS SELECT * FROM read_parquet(getvariable('ownlog_blocks'), hive_partitioning = true);
CREATE OR REPLACE TEMP VIEW model_calls AS SELECT * FROM read_parquet(getvariable('ownlog_model_calls'), hive_partitioning = true);
CREATE OR REPLACE TEMP VIEW tool_calls AS SELECT * FROM read_parquet(getvariable('ownlog_tool_calls'), hive_partitioning = true);
CREATE OR REPLACE TEMP VIEW file_touches AS SELECT * FROM read_parquet(getvariable('ownlog_file_touches'), hive_partitioning = true);
CREATE OR REPLACE TEMP VIEW compactions AS SELECT * FROM read_parquet(getvariable('ownlog_compactions'), hive_partitioning = true);

-- Model calls with what their session is, and the UTC day of the call.
CREATE OR REPLACE TEMP VIEW usage AS
SELECT
    CAST(coalesce(m.finished, m.requested) AT TIME ZONE 'UTC' AS DATE) AS day,
    s.project, s.kind, s.agent, s.root_log_id,
    coalesce(m.model, m.model_requested) AS answering_model,
    m.*
FROM model_calls m JOIN sessions s USING (log_id);

-- 1. What did it cost, by day, project and model?
CREATE OR REPLACE TEMP VIEW cost_by_day AS
SELECT
    day, project, answering_model AS model, count(*) AS calls,
    sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
    sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cache_write_5m_tokens + cache_write_1h_tokens)::BIGINT AS cache_write_tokens,
    sum(cost_nusd)::BIGINT AS cost_nusd, sum(cost_nusd) / 1e9 AS cost_usd,
    count(*) FILTER (cost_nusd IS NULL AND input_tokens + output_tokens > 0) AS unpriced_calls
FROM usage GROUP BY ALL ORDER BY ALL;

-- 2. Which sessions cost most? Logs of one session, its forks and subagents that
-- carry its id, are added up.
CREATE OR REPLACE TEMP VIEW cost_by_session AS
SELECT
    coalesce(session_id, log_id) AS session, any_value(project) AS project, count(DISTINCT log_id) AS logs,
    count(*) AS calls, sum(output_tokens)::BIGINT AS output_tokens, sum(cost_nusd)::BIGINT AS cost_nusd,
    min(coalesce(requested, finished)) AS first_call, max(finished) AS last_call
FROM usage GROUP BY session ORDER BY cost_nusd DESC NULLS LAST, session;

-- 3. Which tools fail, and how?
CREATE OR REPLACE TEMP VIEW tool_failures AS
SELECT
    source_vendor AS vendor, tool, count(*) AS calls,
    count(*) FILTER (status = 'ok') AS ok, count(*) FILTER (status = 'error') AS error,
    count(*) FILTER (status = 'denied') AS denied, count(*) FILTER (status = 'cancelled') AS cancelled,
    count(*) FILTER (status = 'timeout') AS timeout,
    count(*) FILTER (status NOT IN ('ok', 'error', 'denied', 'cancelled', 'timeout')) AS unknown,
    round(count(*) FILTER (status IN ('error', 'denied', 'cancelled', 'timeout'))
        / nullif(count(*) FILTER (status IN ('ok', 'error', 'denied', 'cancelled', 'timeout')), 0), 4) AS failure_rate
FROM tool_calls WHERE NOT inherited GROUP BY ALL ORDER BY calls DESC, vendor, tool;

-- 4. How long do models take?
CREATE OR REPLACE TEMP VIEW model_latency AS
SELECT
    coalesce(model, model_requested) AS model, count(latency_us) AS timed_calls,
    quantile_disc(latency_us, 0.5) AS median_us, quantile_disc(latency_us, 0.95) AS p95_us, max(latency_us) AS max_us,
    quantile_disc(ttft_us, 0.5) AS median_ttft_us
FROM model_calls WHERE status = 'ok' GROUP BY ALL HAVING count(latency_us) > 0 ORDER BY model;

-- 5. Which requests failed, and were they tried again?
CREATE OR REPLACE TEMP VIEW failed_requests AS
SELECT
    coalesce(model, model_requested) AS model, error_class, http_status, count(*) AS failures,
    count(*) FILTER (EXISTS (
        SELECT 1 FROM model_calls later
        WHERE later.log_id = f.log_id AND later.request_id = f.request_id AND later.seq > f.seq)) AS tried_again
FROM model_calls f WHERE status = 'failed' GROUP BY ALL ORDER BY failures DESC, model, error_class;

-- 6. How often are contexts compacted?
CREATE OR REPLACE TEMP VIEW compaction_frequency AS
SELECT
    source_vendor AS vendor, trigger, count(*) AS compactions, count(DISTINCT log_id) AS logs,
    avg(tokens_before)::BIGINT AS mean_tokens_before
FROM compactions GROUP BY ALL ORDER BY ALL;

-- 7. How long do agents wait for a person?
CREATE OR REPLACE TEMP VIEW permission_waits AS
SELECT
    source_vendor AS vendor, tool,
    count(permission_requested) AS asked, count(*) FILTER (decision = 'allow') AS allowed,
    count(*) FILTER (decision = 'deny') AS denied,
    count(*) FILTER (permission_requested IS NOT NULL AND decision IS NULL) AS open,
    avg(permission_wait_us)::BIGINT AS mean_wait_us, max(permission_wait_us) AS longest_wait_us
FROM tool_calls
WHERE NOT inherited AND (permission_requested IS NOT NULL OR decision IS NOT NULL)
GROUP BY ALL ORDER BY ALL;

-- 8. How much of the prompts comes from the cache?
CREATE OR REPLACE TEMP VIEW cache_use AS
SELECT
    answering_model AS model, sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(input_tokens + coalesce(cache_read_tokens, 0) + coalesce(cache_write_5m_tokens + cache_write_1h_tokens, 0))::BIGINT AS prompt_tokens,
    round(sum(cache_read_tokens)
        / nullif(sum(input_tokens + coalesce(cache_read_tokens, 0) + coalesce(cache_write_5m_tokens + cache_write_1h_tokens, 0)), 0), 4) AS cache_share
FROM usage WHERE input_tokens IS NOT NULL GROUP BY ALL ORDER BY model;

-- 9. Which tools take time and fill contexts? Elapsed is from the model's request to
-- the answer, permission included: some sources tell nothing better.
CREATE OR REPLACE TEMP VIEW tool_weight AS
SELECT
    source_vendor AS vendor, tool, count(*) AS calls, count(duration_us) AS timed_calls,
    quantile_disc(duration_us, 0.5) AS median_us, max(duration_us) AS max_us,
    quantile_disc(epoch_us(finished) - epoch_us(requested), 0.5) AS median_elapsed_us,
    sum(output_bytes)::BIGINT AS output_bytes, max(output_bytes) AS largest_output_bytes
FROM tool_calls WHERE NOT inherited GROUP BY ALL ORDER BY output_bytes DESC NULLS LAST, vendor, tool;

-- 10. Which files are touched, and by how many sessions?
CREATE OR REPLACE TEMP VIEW touched_files AS
SELECT
    path, count(*) AS touches, count(DISTINCT log_id) AS logs,
    count(*) FILTER (change = 'read') AS reads, count(*) FILTER (change <> 'read') AS changes,
    max(time) AS last_touched
FROM file_touches GROUP BY path ORDER BY touches DESC, path;
