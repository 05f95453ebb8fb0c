-- The tables of an export, made by DuckDB alone from the same segments: for
-- comparison of speed. It takes less care than the export: no revisions, forks,
-- prices, requests or permissions, and no digests of outputs.
-- Variables: segments (a glob), target (a folder). Statements end in a line with ";".

CREATE OR REPLACE TEMP MACRO entries() AS TABLE
    SELECT parse_filename(parse_dirpath(filename)) AS log_id, seq, entry
    FROM read_ndjson(getvariable('segments'), columns = {seq: 'BIGINT', entry: 'JSON'}, filename = true, maximum_object_size = 16777216)
    WHERE entry IS NOT NULL
;
COPY (
    SELECT log_id, seq, entry->>'$.type' AS type, entry->>'$.actor.kind' AS actor, entry->>'$.actor.id' AS actor_id,
        try_cast(entry->>'$.time' AS TIMESTAMPTZ) AS time, (entry->>'$.turn')::BIGINT AS turn, (entry->>'$.step')::BIGINT AS step,
        entry->>'$.id' AS record_id, entry->>'$.parent' AS record_parent, entry->>'$.data.kind' AS vendor_kind,
        entry->>'$.data.finding' AS finding, (entry->>'$.source.line')::BIGINT AS source_line,
        entry->>'$.source.row.table' AS source_table, entry->>'$.source.row.id' AS source_row,
        (entry->>'$.source.rev')::BIGINT AS source_rev, (entry->>'$.source.part')::BIGINT AS source_part,
        strlen(entry) AS bytes, sha256(chr(0) || entry) AS payload_digest
    FROM entries() ORDER BY log_id, seq
) TO 'events.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    WITH content AS (
        SELECT log_id, seq, entry->>'$.type' AS event_type, try_cast(entry->>'$.time' AS TIMESTAMPTZ) AS time,
            (entry->>'$.turn')::BIGINT AS turn, (entry->>'$.step')::BIGINT AS step, entry->>'$.data.origin' AS origin,
            entry->>'$.data.call_key' AS call_key,
            unnest(from_json(coalesce(entry->'$.data.content', entry->'$.data.blocks'), '["JSON"]')) AS block
        FROM entries() WHERE entry->>'$.type' IN ('user.message', 'system.message', 'model.output', 'tool.result'))
    SELECT log_id, seq, event_type, time, turn, step, origin, coalesce(call_key, block->>'$.call_key') AS call_key,
        block->>'$.type' AS kind, block->>'$.text' AS text, strlen(block->>'$.text') AS bytes, block->>'$.blob.blob' AS blob_digest,
        block->>'$.blob.media' AS media, block->>'$.name' AS name, block->>'$.vendor_type' AS vendor_type, block->>'$.seal.kind' AS seal
    FROM content ORDER BY log_id, seq
) TO 'blocks.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    SELECT log_id, min(seq) AS seq, (entry->>'$.turn')::BIGINT AS turn, (entry->>'$.step')::BIGINT AS step,
        any_value(entry->>'$.data.request_id') AS request_id, any_value(entry->>'$.data.response_id') AS response_id,
        arg_max(entry->>'$.data.provider', seq) AS provider, arg_max(entry->>'$.data.model', seq) AS model,
        arg_max(entry->>'$.data.stop_reason', seq) AS stop_reason, max(try_cast(entry->>'$.time' AS TIMESTAMPTZ)) AS finished,
        arg_max((entry->>'$.data.usage.input')::BIGINT, seq) AS input_tokens, arg_max((entry->>'$.data.usage.output')::BIGINT, seq) AS output_tokens,
        arg_max((entry->>'$.data.usage.reasoning')::BIGINT, seq) AS reasoning_tokens,
        arg_max((entry->>'$.data.usage.cache_read')::BIGINT, seq) AS cache_read_tokens,
        arg_max((entry->>'$.data.usage.cache_write')::BIGINT, seq) AS cache_write_tokens,
        arg_max((entry->>'$.data.cost_nusd')::BIGINT, seq) AS cost_nusd
    FROM entries() WHERE entry->>'$.type' = 'model.output'
    GROUP BY log_id, turn, step ORDER BY log_id, seq
) TO 'model_calls.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    WITH calls AS (
        SELECT log_id, seq, try_cast(entry->>'$.time' AS TIMESTAMPTZ) AS requested, unnest(from_json(entry->'$.data.blocks', '["JSON"]')) AS block
        FROM entries() WHERE entry->>'$.type' = 'model.output'),
    results AS (
        SELECT log_id, entry->>'$.data.call_key' AS call_key, max(try_cast(entry->>'$.time' AS TIMESTAMPTZ)) AS finished,
            arg_max(entry->>'$.data.status', seq) AS status, arg_max((entry->>'$.data.exit_code')::BIGINT, seq) AS exit_code,
            arg_max(strlen(entry->>'$.data.content'), seq) AS output_bytes, max(seq) AS result_seq
        FROM entries() WHERE entry->>'$.type' = 'tool.result' GROUP BY ALL)
    SELECT c.log_id, c.seq, c.block->>'$.call_key' AS call_key, c.block->>'$.vendor_id' AS vendor_call_id, c.block->>'$.name' AS tool,
        c.block->>'$.kind' AS kind, c.block->>'$.args' AS arguments, c.requested, r.finished, r.status, r.exit_code, r.output_bytes, r.result_seq
    FROM calls c LEFT JOIN results r ON r.log_id = c.log_id AND r.call_key = c.block->>'$.call_key'
    WHERE c.block->>'$.type' = 'tool_call' ORDER BY c.log_id, c.seq
) TO 'tool_calls.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    SELECT log_id, seq, try_cast(entry->>'$.time' AS TIMESTAMPTZ) AS time, entry->>'$.data.path' AS path, entry->>'$.data.change' AS change
    FROM entries() WHERE entry->>'$.type' = 'file.changed' ORDER BY log_id, seq
) TO 'file_touches.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    SELECT log_id, seq, try_cast(entry->>'$.time' AS TIMESTAMPTZ) AS time, entry->>'$.data.trigger' AS trigger,
        (entry->>'$.data.tokens_before')::BIGINT AS tokens_before, (entry->>'$.data.tokens_after')::BIGINT AS tokens_after
    FROM entries() WHERE entry->>'$.type' = 'context.compacted' ORDER BY log_id, seq
) TO 'compactions.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    SELECT log_id, count(*) AS entries, min(try_cast(entry->>'$.time' AS TIMESTAMPTZ)) AS started, max(try_cast(entry->>'$.time' AS TIMESTAMPTZ)) AS ended,
        any_value(entry->>'$.data.cwd') AS cwd, any_value(entry->>'$.data.vendor_session') AS session_id, any_value(entry->>'$.data.title') AS title,
        max((entry->>'$.turn')::BIGINT) AS turns, count(*) FILTER (entry->>'$.type' = 'user.message') AS user_messages,
        any_value(entry->>'$.source.vendor') AS source_vendor
    FROM entries() GROUP BY log_id ORDER BY log_id
) TO 'sessions.parquet' (FORMAT parquet, COMPRESSION zstd)
;
