-- The tables of an export, made by DuckDB alone from the same segments: for
-- comparison of speed. Each reads only the members it needs, as typed columns,
-- which is what DuckDB does fastest. It takes less care than the export: no
-- revisions, forks, prices, requests, permissions, nor sizes and digests of entries
-- and outputs.
-- Variable: segments (a glob). Statements end in a line with ";".

COPY (
    SELECT parse_filename(parse_dirpath(filename)) AS log_id, seq, entry."type", entry.actor.kind AS actor, entry.actor.id AS actor_id, try_cast(entry."time" AS TIMESTAMPTZ) AS time, entry.turn, entry.step,
        entry.id AS record_id, entry.parent AS record_parent, entry.data.kind AS vendor_kind, entry.data.finding AS finding,
        entry.source.line AS source_line, entry.source."row"."table" AS source_table, entry.source."row".id AS source_row,
        entry.source.rev AS source_rev, entry.source.part AS source_part
    FROM read_ndjson(getvariable('segments'), filename = true, maximum_object_size = 16777216,
        columns = {seq: 'BIGINT', entry: 'STRUCT("type" VARCHAR, "time" VARCHAR, turn BIGINT, step BIGINT, actor STRUCT(kind VARCHAR, id VARCHAR), id VARCHAR, parent VARCHAR, data STRUCT(kind VARCHAR, finding VARCHAR), source STRUCT(line BIGINT, "row" STRUCT("table" VARCHAR, id VARCHAR), rev BIGINT, part BIGINT))'})
    WHERE entry IS NOT NULL ORDER BY log_id, seq
) TO 'events.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    WITH content AS (
        SELECT parse_filename(parse_dirpath(filename)) AS log_id, seq, entry."type" AS event_type, try_cast(entry."time" AS TIMESTAMPTZ) AS time, entry.turn, entry.step, entry.data.origin AS origin,
            entry.data.call_key AS call_key, unnest(coalesce(entry.data.content, entry.data.blocks)) AS block
        FROM read_ndjson(getvariable('segments'), filename = true, maximum_object_size = 16777216,
        columns = {seq: 'BIGINT', entry: 'STRUCT("type" VARCHAR, "time" VARCHAR, turn BIGINT, step BIGINT, data STRUCT(origin VARCHAR, call_key VARCHAR, content STRUCT("type" VARCHAR, "text" VARCHAR, call_key VARCHAR, "name" VARCHAR, vendor_type VARCHAR, "blob" STRUCT("blob" VARCHAR, media VARCHAR), seal STRUCT(kind VARCHAR))[], blocks STRUCT("type" VARCHAR, "text" VARCHAR, call_key VARCHAR, "name" VARCHAR, vendor_type VARCHAR, "blob" STRUCT("blob" VARCHAR, media VARCHAR), seal STRUCT(kind VARCHAR))[]))'})
        WHERE entry."type" IN ('user.message', 'system.message', 'model.output', 'tool.result'))
    SELECT log_id, seq, event_type, time, turn, step, origin, coalesce(call_key, block.call_key) AS call_key, block."type" AS kind,
        block."text" AS text, strlen(block."text") AS bytes, block."blob"."blob" AS blob_digest, block."blob".media AS media,
        block."name" AS name, block.vendor_type AS vendor_type, block.seal.kind AS seal
    FROM content ORDER BY log_id, seq
) TO 'blocks.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    SELECT parse_filename(parse_dirpath(filename)) AS log_id, min(seq) AS seq, entry.turn AS turn, entry.step AS step,
        any_value(entry.data.request_id) AS request_id, any_value(entry.data.response_id) AS response_id, arg_max(entry.data.provider, seq) AS provider,
        arg_max(entry.data.model, seq) AS model, arg_max(entry.data.stop_reason, seq) AS stop_reason, max(try_cast(entry."time" AS TIMESTAMPTZ)) AS finished,
        arg_max(entry.data."usage".input, seq) AS input_tokens, arg_max(entry.data."usage".output, seq) AS output_tokens,
        arg_max(entry.data."usage".reasoning, seq) AS reasoning_tokens, arg_max(entry.data."usage".cache_read, seq) AS cache_read_tokens,
        arg_max(entry.data."usage".cache_write, seq) AS cache_write_tokens, arg_max(entry.data.cost_nusd, seq) AS cost_nusd
    FROM read_ndjson(getvariable('segments'), filename = true, maximum_object_size = 16777216,
        columns = {seq: 'BIGINT', entry: 'STRUCT("type" VARCHAR, "time" VARCHAR, turn BIGINT, step BIGINT, data STRUCT(request_id VARCHAR, response_id VARCHAR, provider VARCHAR, model VARCHAR, stop_reason VARCHAR, cost_nusd BIGINT, "usage" STRUCT(input BIGINT, output BIGINT, reasoning BIGINT, cache_read BIGINT, cache_write BIGINT)))'})
    WHERE entry."type" = 'model.output' GROUP BY log_id, entry.turn, entry.step ORDER BY log_id, seq
) TO 'model_calls.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    WITH source AS MATERIALIZED (
        SELECT parse_filename(parse_dirpath(filename)) AS log_id, seq, try_cast(entry."time" AS TIMESTAMPTZ) AS time, entry."type" AS event_type, entry.data AS data
        FROM read_ndjson(getvariable('segments'), filename = true, maximum_object_size = 16777216,
        columns = {seq: 'BIGINT', entry: 'STRUCT("type" VARCHAR, "time" VARCHAR, turn BIGINT, step BIGINT, data STRUCT(call_key VARCHAR, status VARCHAR, exit_code BIGINT, content STRUCT("text" VARCHAR)[], blocks STRUCT("type" VARCHAR, call_key VARCHAR, vendor_id VARCHAR, "name" VARCHAR, kind VARCHAR, args VARCHAR)[]))'})
        WHERE entry."type" IN ('model.output', 'tool.result')),
    calls AS (SELECT log_id, seq, time AS requested, unnest(data.blocks) AS block FROM source WHERE event_type = 'model.output'),
    results AS (
        SELECT log_id, data.call_key AS call_key, max(time) AS finished, arg_max(data.status, seq) AS status,
            arg_max(data.exit_code, seq) AS exit_code, arg_max(list_sum([strlen(c."text") FOR c IN data.content]), seq) AS output_bytes,
            max(seq) AS result_seq
        FROM source WHERE event_type = 'tool.result' GROUP BY ALL)
    SELECT c.log_id, c.seq, c.block.call_key AS call_key, c.block.vendor_id AS vendor_call_id, c.block."name" AS tool, c.block.kind AS kind,
        c.block.args AS arguments, c.requested, r.finished, r.status, r.exit_code, r.output_bytes, r.result_seq
    FROM calls c LEFT JOIN results r ON r.log_id = c.log_id AND r.call_key = c.block.call_key
    WHERE c.block."type" = 'tool_call' ORDER BY c.log_id, c.seq
) TO 'tool_calls.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    SELECT parse_filename(parse_dirpath(filename)) AS log_id, seq, try_cast(entry."time" AS TIMESTAMPTZ) AS time, entry.data.path AS path, entry.data.change AS change
    FROM read_ndjson(getvariable('segments'), filename = true, maximum_object_size = 16777216,
        columns = {seq: 'BIGINT', entry: 'STRUCT("type" VARCHAR, "time" VARCHAR, turn BIGINT, step BIGINT, data STRUCT(path VARCHAR, change VARCHAR))'})
    WHERE entry."type" = 'file.changed' ORDER BY log_id, seq
) TO 'file_touches.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    SELECT parse_filename(parse_dirpath(filename)) AS log_id, seq, try_cast(entry."time" AS TIMESTAMPTZ) AS time, entry.data."trigger" AS "trigger", entry.data.tokens_before AS tokens_before, entry.data.tokens_after AS tokens_after
    FROM read_ndjson(getvariable('segments'), filename = true, maximum_object_size = 16777216,
        columns = {seq: 'BIGINT', entry: 'STRUCT("type" VARCHAR, "time" VARCHAR, turn BIGINT, step BIGINT, data STRUCT("trigger" VARCHAR, tokens_before BIGINT, tokens_after BIGINT))'})
    WHERE entry."type" = 'context.compacted' ORDER BY log_id, seq
) TO 'compactions.parquet' (FORMAT parquet, COMPRESSION zstd)
;
COPY (
    SELECT parse_filename(parse_dirpath(filename)) AS log_id, count(*) AS entries, min(try_cast(entry."time" AS TIMESTAMPTZ)) AS started, max(try_cast(entry."time" AS TIMESTAMPTZ)) AS ended, any_value(entry.data.cwd) AS cwd,
        any_value(entry.data.vendor_session) AS session_id, any_value(entry.data.title) AS title, max(entry.turn) AS turns,
        count(*) FILTER (entry."type" = 'user.message') AS user_messages, any_value(entry.source.vendor) AS source_vendor
    FROM read_ndjson(getvariable('segments'), filename = true, maximum_object_size = 16777216,
        columns = {seq: 'BIGINT', entry: 'STRUCT("type" VARCHAR, "time" VARCHAR, turn BIGINT, step BIGINT, source STRUCT(vendor VARCHAR), data STRUCT(cwd VARCHAR, vendor_session VARCHAR, title VARCHAR))'})
    WHERE entry IS NOT NULL GROUP BY log_id ORDER BY log_id
) TO 'sessions.parquet' (FORMAT parquet, COMPRESSION zstd)
;
