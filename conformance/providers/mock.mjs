// Usage: node mock.mjs FIXTURES - answers on the loopback interface as FIXTURES says,
// a JSON list of aimock's fixtures; prints its URL and ends with its standard input.
import { readFileSync } from "node:fs";
import { LLMock } from "@copilotkit/aimock";

const mock = new LLMock({ host: "127.0.0.1", port: 0, logLevel: "silent", strict: true });
mock.addFixturesFromJSON(JSON.parse(readFileSync(process.argv[2], "utf8")));
await mock.start();
console.log(mock.url);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
