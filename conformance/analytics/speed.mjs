// Runs speed.sql with two threads and prints the seconds of each table, then the
// seconds of processor time and the MiB of memory at most.
// Usage: node speed.mjs SPEED.SQL SEGMENTS FOLDER
import fs from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';

const [sql, segments, folder] = process.argv.slice(2);
process.chdir(folder);
const duck = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect();
await duck.run(`SET VARIABLE segments = '${segments.replaceAll("'", "''")}'`);
for (const statement of fs.readFileSync(sql, 'utf8').split('\n;\n')) {
  if (!statement.trim()) continue;
  const start = performance.now();
  await duck.run(statement);
  const table = statement.match(/TO '(\w+)\.parquet'/);
  if (table) console.log(`${table[1]} ${((performance.now() - start) / 1000).toFixed(2)}`);
}
const used = process.resourceUsage();
console.log(`cpu ${((used.userCPUTime + used.systemCPUTime) / 1e6).toFixed(2)}`);
console.log(`memory ${(used.maxRSS / 1024).toFixed(0)}`);
