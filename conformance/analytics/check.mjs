// Reads an export with DuckDB, Polars and hyparquet and compares every value with
// what is expected. Usage: node check.mjs CASE, a folder that the test made:
//
//	out/                the export
//	expected/T.jsonl    rows of table T in order, every column, NULL as null
//	expected/columns.json  [{table, name, type}], type a DuckDB type
//	expected/answers.json  {view: rows as [[values]]}, may be missing
//	sql.md              a copy of docs/sql.md, may be missing
//	segments.json       [{path, entries: [[seq, type, the entry as text]]}], may be missing
//
// Prints a line for each check and exits with 1 if one failed.
import fs from 'node:fs';
import path from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import polars from 'nodejs-polars';

const dir = process.argv[2];
const out = path.join(dir, 'out');
const columns = JSON.parse(fs.readFileSync(path.join(dir, 'expected', 'columns.json'), 'utf8'));
const tables = [...new Set(columns.map((c) => c.table))];
let failed = 0;

function report(ok, what, detail) {
  if (!ok) failed++;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${what}${detail ? ': ' + detail : ''}`);
}

const quote = (s) => `'${s.replaceAll("'", "''")}'`;
const duck = await (await DuckDBInstance.create()).connect();
await duck.run("SET TimeZone = 'UTC'");
const rowsOf = async (sql) => (await duck.runAndReadAll(sql)).getRowsJson();

// Files that the manifest counts, and the empty one that each table has.
const manifest = fs.readFileSync(path.join(out, 'manifest.jsonl'), 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
function filesOf(table) {
  const named = manifest.filter((m) => m.table === table && m.path).map((m) => m.path);
  return [...new Set(named), `${table}/date=__HIVE_DEFAULT_PARTITION__/empty.parquet`].map((p) => path.join(out, p));
}

function expectedRows(table) {
  return fs.readFileSync(path.join(dir, 'expected', `${table}.jsonl`), 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
}

// DuckDB compares inside: the difference of two multisets, both ways.
async function checkDuckDB(table) {
  const of = columns.filter((c) => c.table === table);
  const list = `[${filesOf(table).map(quote).join(',')}]`;
  const value = (c) => (c.type === 'TIMESTAMP WITH TIME ZONE' ? `epoch_us("${c.name}")` : `"${c.name}"`);
  const got = `SELECT ${of.map(value).join(', ')} FROM read_parquet(${list})`;
  const types = of.map((c) => `"${c.name}": ${quote(c.type === 'TIMESTAMP WITH TIME ZONE' ? 'BIGINT' : c.type)}`).join(', ');
  const want = `SELECT ${of.map((c) => `"${c.name}"`).join(', ')} FROM read_ndjson(${quote(path.join(dir, 'expected', table + '.jsonl'))}, columns = {${types}}, maximum_object_size = 67108864)`;
  const described = await rowsOf(`DESCRIBE SELECT * FROM read_parquet(${list}, hive_partitioning = false)`);
  const have = described.map((d) => `${d[0]} ${d[1]}`).join('\n');
  const should = of.map((c) => `${c.name} ${c.type}`).join('\n');
  report(have === should, `duckdb ${table}: names and types of ${of.length} columns`, have === should ? '' : `\n${have}\nwanted\n${should}`);
  const [[missing]] = await rowsOf(`SELECT count(*) FROM (${want} EXCEPT ALL ${got})`);
  const [[extra]] = await rowsOf(`SELECT count(*) FROM (${got} EXCEPT ALL ${want})`);
  const [[count]] = await rowsOf(`SELECT count(*) FROM (${got})`);
  report(missing === '0' && extra === '0', `duckdb ${table}: ${count} rows, all values equal`, missing === '0' && extra === '0' ? '' : `${missing} missing, ${extra} unexpected`);
}

// Values as they stand in the expected rows.
function plain(v) {
  if (v === undefined || v === null) return null;
  if (typeof v === 'bigint') return Number(v);
  if (v instanceof Date) return v.getTime() * 1000; // whole milliseconds only
  return v;
}

const byKey = (a, b) => (a.log_id < b.log_id ? -1 : a.log_id > b.log_id ? 1 : 0);

function compare(reader, table, got, want, same) {
  got.sort(byKey); // stable: the rows of a log are in order
  let first = '';
  let wrong = got.length === want.length ? 0 : 1;
  if (wrong) first = `${got.length} rows, want ${want.length}`;
  for (let i = 0; i < want.length && got.length === want.length; i++) {
    for (const c of columns) {
      if (c.table !== table) continue;
      const a = plain(got[i][c.name]);
      const b = want[i][c.name];
      if (!same(a, b, c)) {
        wrong++;
        first ||= `${c.name} of ${want[i].log_id} ${want[i].seq}: ${JSON.stringify(a)}, want ${JSON.stringify(b)}`;
      }
    }
  }
  report(wrong === 0, `${reader} ${table}: ${got.length} rows, all values equal`, first);
}

async function checkHyparquet(table, want) {
  const rows = [];
  for (const name of filesOf(table)) {
    const file = await asyncBufferFromFile(name);
    // Without parsers, timestamps would come as dates cut to milliseconds.
    const parsers = { timestampFromMicroseconds: (micros) => micros };
    for (const row of await parquetReadObjects({ file, compressors, parsers })) rows.push(row);
  }
  compare('hyparquet', table, rows, want, (a, b) => a === b);
}

function checkPolars(table, want) {
  const rows = [];
  for (const name of filesOf(table)) {
    for (const row of polars.readParquet(name).toRecords()) rows.push(row);
  }
  // Its rows come to JavaScript with timestamps as dates, cut to milliseconds.
  compare('polars', table, rows, want, (a, b, c) =>
    c.type === 'TIMESTAMP WITH TIME ZONE' && a !== null && b !== null ? Math.floor(a / 1000) === Math.floor(b / 1000) : a === b);
}

// Segments are read as docs/sql.md says. DuckDB spells numbers and escapes of JSON
// anew, so values are compared; the bytes it gives with read_ndjson_objects.
async function checkSegment(segment) {
  const rows = await rowsOf(`SELECT seq, entry->>'type', entry FROM read_ndjson(${quote(segment.path)},
    columns = {seq: 'BIGINT', entry: 'JSON'}) WHERE entry IS NOT NULL ORDER BY seq`);
  const value = ([seq, type, entry]) => [Number(seq), type, JSON.parse(entry)];
  const ok = JSON.stringify(rows.map(value)) === JSON.stringify(segment.entries.map(value));
  report(ok, `duckdb segment ${path.basename(segment.path)}: ${rows.length} entries, values equal`, ok ? '' : `want ${segment.entries.length}`);
  const lines = await rowsOf(`SELECT json FROM read_ndjson_objects(${quote(segment.path)}) WHERE json->>'seq' IS NOT NULL`);
  const whole = segment.entries.every(([seq, , entry], i) => lines[i]?.[0].endsWith(`,"entry":${entry}}`));
  report(whole, `duckdb segment ${path.basename(segment.path)}: bytes of ${lines.length} lines equal`);
}

async function checkViews() {
  const answers = JSON.parse(fs.readFileSync(path.join(dir, 'expected', 'answers.json'), 'utf8'));
  await duck.run(`SET VARIABLE ownlog = ${quote(out)}`);
  await duck.run(fs.readFileSync(path.join(out, 'views.sql'), 'utf8'));
  for (const [view, want] of Object.entries(answers)) {
    const got = JSON.stringify(await rowsOf(`SELECT * FROM ${view}`));
    const ok = got === JSON.stringify(want);
    report(ok, `duckdb view ${view}: ${want.length} rows as expected`, ok ? '' : `\n${got}\nwanted\n${JSON.stringify(want)}`);
  }
}

// checkPage runs every statement of docs/sql.md, which the case has a copy of.
async function checkPage() {
  const page = fs.readFileSync(path.join(dir, 'sql.md'), 'utf8');
  const blocks = [...page.matchAll(/```sql\n([^`]*)```/g)].map((m) => m[1]);
  const statements = blocks.join('\n').split('\n').filter((line) => !line.startsWith('.read'))
    .join('\n').split(/;\s*(?:\n|$)/).map((s) => s.trim()).filter((s) => s);
  const rows = [];
  for (const statement of statements) {
    const sql = statement.replaceAll("'tables", `'${out}`).replaceAll('STORE', path.join(dir, 'store'));
    try {
      rows.push((await duck.runAndReadAll(sql)).getRowsJS().length);
    } catch (err) {
      report(false, `docs/sql.md: ${statement}`, `\n${err}`);
    }
  }
  const sealed = JSON.parse(fs.readFileSync(path.join(dir, 'segments.json'), 'utf8')).filter((s) => s.path.endsWith('.zst'));
  const entries = sealed.reduce((n, s) => n + s.entries.length, 0);
  report(rows.length === statements.length && rows.length >= 6, `docs/sql.md: ${rows.length} statements run`);
  report(rows.at(-1) === entries, `docs/sql.md: the last one, which reads the logs, finds ${entries} entries`, rows.at(-1) === entries ? '' : `it finds ${rows.at(-1)}`);
}

for (const table of tables) {
  const want = expectedRows(table);
  await checkDuckDB(table);
  await checkHyparquet(table, want);
  checkPolars(table, want);
}
if (fs.existsSync(path.join(dir, 'segments.json'))) {
  for (const segment of JSON.parse(fs.readFileSync(path.join(dir, 'segments.json'), 'utf8'))) await checkSegment(segment);
}
if (fs.existsSync(path.join(dir, 'expected', 'answers.json'))) await checkViews();
if (fs.existsSync(path.join(dir, 'sql.md'))) await checkPage();
console.log(failed ? `${failed} checks failed` : 'all checks passed');
process.exit(failed ? 1 : 0);
