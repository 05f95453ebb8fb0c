// Usage: node schemas.mjs OUT TYPE... - writes the JSON Schema of each type of
// requests.ts to OUT/TYPE.json. Members that a type does not name are refused.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createGenerator } from "ts-json-schema-generator";

const [out, ...types] = process.argv.slice(2);
const generator = createGenerator({
  path: "requests.ts",
  tsconfig: "tsconfig.json",
  skipTypeCheck: false,
  additionalProperties: false,
  jsDoc: "none",
});
for (const type of types) {
  writeFileSync(join(out, `${type}.json`), JSON.stringify(generator.createSchema(type)));
}
