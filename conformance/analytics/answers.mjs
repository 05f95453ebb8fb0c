// Prints the answers to the stock questions as they stand in testdata/answers.json.
// Read the difference before committing it. Usage: node answers.mjs OUT VIEWS.SQL
import fs from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';

const [out, views] = process.argv.slice(2);
const duck = await (await DuckDBInstance.create()).connect();
await duck.run("SET TimeZone = 'UTC'");
await duck.run(`SET VARIABLE ownlog = '${out.replaceAll("'", "''")}'`);
const sql = fs.readFileSync(views, 'utf8');
await duck.run(sql);
const answers = {};
for (const [, view] of sql.matchAll(/^-- \d+\..*\n(?:--.*\n)*CREATE OR REPLACE TEMP VIEW (\w+)/gm)) {
  answers[view] = (await duck.runAndReadAll(`SELECT * FROM ${view}`)).getRowsJson();
}
const lines = Object.entries(answers).map(([view, rows]) => `  ${JSON.stringify(view)}: [\n${rows.map((r) => '    ' + JSON.stringify(r)).join(',\n')}\n  ]`);
console.log(`{\n${lines.join(',\n')}\n}`);
