// LivePerson's own agent SDK for Node, unmodified, driven by lines of JSON.
//
// A line of input {"call": NAME, "body": …, "metadata": …} calls that function of the SDK. What it
// answers ({"answer": …} or {"error": …}) and what the SDK tells of ({"told": TYPE, "body": …}) is
// printed, one line each.

"use strict";

const readline = require("readline");
const { Agent } = require(process.env.AGENT_SDK);

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const agent = new Agent({
  accountId: process.env.ACCOUNT,
  username: process.env.AGENT_NAME,
  password: process.env.AGENT_PASSWORD,
  csdsDomain: process.env.CSDS_DOMAIN,
});
agent.on("connected", () => print({ told: "connected", body: { agentId: agent.agentId } }));
agent.on("closed", () => print({ told: "closed", body: null }));
agent.on("warn", (warning) => print({ told: "warn", body: warning }));
agent.on("error", (error) => print({ told: "error", body: String(error && error.message) }));
agent.on("notification", (frame) => print({ told: frame.type, body: frame.body }));

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { call, body, metadata } = JSON.parse(line);
  const answered = (error, answer) =>
    print(error ? { error: error.body || String(error.message) } : { answer: answer === undefined ? null : answer });
  if (metadata) agent[call](body, null, metadata, answered);
  else agent[call](body, answered);
}).on("close", () => { agent.dispose(); process.exit(0); });
