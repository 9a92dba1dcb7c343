// A server that plays the gateway's contract for the page, without a gateway: scenarios, users, a year of history.
//   node mock.mjs [PORT] [SCENARIO] [ROLE]      looks as a viewer unless a role is given; users anna (operator), vera (viewer), erik
//   (engineer), grid (guard), password "pass"
// No dependencies. `start()` is what the checks use; it records every request that may change something.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { DAY, SCENARIOS, START_MS, stateOf, truth } from "./mock-plant.mjs";
import { alarmHistory, alarmsOf, decisionsOf, devicesOf } from "./mock-records.mjs";

const PAGE = fileURLToPath(new URL("../../src/web/page/", import.meta.url));
const PAGES = ["/", "/trends", "/alarms", "/devices", "/decisions", "/model", "/events"];
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};
const HEADERS = {
  "Content-Security-Policy": "default-src 'self'",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-store",
};
const USERS = { anna: "operator", vera: "viewer", erik: "engineer", grid: "guard" };

/** Starts it: `{url, records, set({scenario, mute, …}), stop()}`. `mute` drops the link: nothing is answered or sent. */
export async function start({ scenario = "normal", role = null, port = 0, users = true, open = true } = {}) {
  const mock = {
    scenario,
    users,
    open,
    session: role ? { name: Object.keys(USERS).find((name) => USERS[name] === role), role } : null,
    mute: false,
    failures: 0,
    records: [],
    streams: new Set(),
    sockets: new Set(),
    cycle: 1000,
    began: Date.now(),
    limits: { import_kw_max: null, export_kw_max: null },
    control: null,
    in_charge: scenario === "manual" ? { principal: "scada", means: "modbus" } : null,
    alarms: alarmsOf(scenario),
  };
  const server = createServer((request, response) =>
    answer(mock, request, response).catch((error) => fail(response, 500, String(error))),
  );
  server.on("connection", (socket) => {
    mock.sockets.add(socket);
    socket.on("close", () => mock.sockets.delete(socket));
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  const timer = setInterval(() => beat(mock), 1000);
  const stop = () => {
    clearInterval(timer);
    for (const socket of mock.sockets) socket.destroy();
    return new Promise((done) => server.close(done));
  };
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    records: mock.records,
    set: (change) => set(mock, change),
    stop,
  };
}

function set(mock, change) {
  Object.assign(mock, change);
  if (change.scenario) mock.alarms = alarmsOf(change.scenario);
  if (change.mute) for (const socket of mock.sockets) socket.destroy();
}

const nowOf = (mock) => START_MS + (Date.now() - mock.began);

/** A frozen mock goes on answering with the state of the moment in which it froze, as a server whose control stands still. */
function stateNow(mock) {
  if (!mock.frozen || !mock.last) mock.last = stateOf(mock.scenario, nowOf(mock), mock.cycle, mock);
  return mock.last;
}

const alarmsNow = (mock) => ({ alarms: mock.alarms, history: alarmHistory(mock.alarms) });

function beat(mock) {
  if (!mock.frozen) mock.cycle += 1;
  if (!mock.mute) for (const stream of mock.streams) send(stream, "state", stateNow(mock));
}

const send = (stream, name, value) => stream.write(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`);

function json(response, value, status = 200, headers = {}) {
  response.writeHead(status, { ...HEADERS, "Content-Type": "application/json", ...headers });
  response.end(JSON.stringify(value));
}
const fail = (response, status, error, headers) => json(response, { error }, status, headers);

async function answer(mock, request, response) {
  if (mock.mute) return request.socket.destroy();
  const url = new URL(request.url, "http://mock");
  if (!url.pathname.startsWith("/api/")) return file(url.pathname, response);
  const path = url.pathname.replace("/api/v1/", "");
  if (request.method === "GET" && path !== "session" && !mock.open && !mock.session)
    return fail(response, 401, "Log in first.");
  if (request.method === "GET") return read(mock, path, url.searchParams, request, response);
  const origin = request.headers.origin;
  if (origin && new URL(origin).host !== request.headers.host) return fail(response, 403, "another origin");
  if (request.headers["content-type"] !== "application/json") return fail(response, 403, "not application/json");
  const body = JSON.parse((await text(request)) || "{}");
  mock.records.push({ method: request.method, path, body: path === "session" ? { name: body.name } : body });
  return change(mock, request.method, path, body, response);
}

async function text(request) {
  let all = "";
  for await (const part of request) all += part;
  return all;
}

async function file(path, response) {
  const name = PAGES.includes(path) ? "index.html" : normalize(path).replace(/^(\.\.[/\\])+/, "");
  try {
    const content = await readFile(join(PAGE, name));
    response.writeHead(200, { ...HEADERS, "Content-Type": TYPES[extname(name)] ?? "application/octet-stream" });
    response.end(content);
  } catch {
    fail(response, 404, "no such file");
  }
}

const session = (mock) => ({
  principal: mock.session?.name ?? null,
  role: mock.session?.role ?? "viewer",
  log_in: mock.users,
  may_look: mock.open || mock.session !== null,
  expires_unix_ms: mock.session ? nowOf(mock) + 3_600_000 : null,
});

function read(mock, path, asked, request, response) {
  const ms = (key, otherwise) => Number(asked.get(key) ?? otherwise);
  const now = nowOf(mock);
  const answers = {
    session: () => session(mock),
    state: () => stateNow(mock),
    alarms: () => alarmsNow(mock),
    devices: () =>
      devicesOf(mock.scenario).map((device) => ({
        ...device,
        polls: device.polls && device.polls + Math.floor((now - START_MS) / 1000),
      })),
    decisions: () =>
      mock.scenario === "unknown"
        ? []
        : decisionsOf(mock.scenario, ms("from", now - DAY), ms("to", now), ms("limit", 500)),
    explain: () => ({
      text: `14:30:00, cycle 52201, mode auto, decided by model td3-extended\n  asked    battery +18.0 kW, CHP 30.0 kW\n  changed  battery ramp: 10 kW a step, from 2.4 kW\n  written  battery +12.4 kW, CHP 30.0 kW`,
    }),
    model: () => MODEL,
    log: () => LOG,
    points: () =>
      [...Object.keys(truth(now)), "mode"].map((name) => ({ name, unit: /_kw$/.test(name) ? "kW" : "", label: null })),
    history: () => history(asked.get("points").split(","), ms("from"), ms("to"), ms("max", 800)),
    ledger: () => LEDGER,
    "openapi.json": () => ({ openapi: "3.1.0" }),
  };
  if (path === "events") return stream(mock, request, response);
  if (asked.get("format") === "csv") return csv(response, path);
  return answers[path] ? json(response, answers[path]()) : fail(response, 404, "no such path");
}

function csv(response, path) {
  response.writeHead(200, {
    ...HEADERS,
    "Content-Type": "text/csv",
    "Content-Disposition": `attachment; filename="${path}.csv"`,
  });
  response.end("time,value\r\n");
}

function stream(mock, request, response) {
  response.writeHead(200, { ...HEADERS, "Content-Type": "text/event-stream" });
  mock.streams.add(response);
  request.on("close", () => mock.streams.delete(response));
  send(response, "state", stateNow(mock));
  send(response, "alarms", alarmsNow(mock));
}

function change(mock, method, path, body, response) {
  if (path === "session") return method === "POST" ? logIn(mock, body, response) : logOut(mock, response);
  if (!mock.session) return fail(response, 401, "Log in first.");
  if (mock.session.role === "viewer") return fail(response, 403, "A viewer may not do that.");
  if (path === "arm") return json(response, { token: "t-1", expires_unix_ms: nowOf(mock) + 30_000, review: REVIEW });
  if (path === "commands") return json(response, command(mock, body));
  const [, id, what] = /^alarms\/([^/]+)\/(acknowledge|shelve|unshelve|out-of-service|return-to-service)$/.exec(path) ?? [];
  const alarm = mock.alarms.find((one) => one.id === decodeURIComponent(id ?? ""));
  if (!alarm) return fail(response, 404, "no such alarm");
  alter(mock, alarm, what, body);
  for (const one of mock.streams) send(one, "alarms", alarmsNow(mock));
  return json(response, alarm);
}

function alter(mock, alarm, what, body) {
  if (what === "acknowledge") Object.assign(alarm, { state: "acknowledged", acknowledged_by: mock.session.name });
  if (what === "shelve")
    Object.assign(alarm, {
      state: "shelved",
      acknowledged_by: mock.session.name,
      shelved_until_unix_ms: nowOf(mock) + body.minutes * 60_000,
    });
  if (what === "unshelve") Object.assign(alarm, { state: "acknowledged", shelved_until_unix_ms: null });
  if (what === "out-of-service") {
    const until = nowOf(mock) + body.hours * 3_600_000;
    Object.assign(alarm, { state: "out_of_service", out_of_service_until_unix_ms: until });
  }
  if (what === "return-to-service")
    Object.assign(alarm, { state: "unacknowledged", acknowledged_by: null, out_of_service_until_unix_ms: null });
}

function command(mock, { body, confirm }) {
  if (body === "arm" && confirm !== "t-1") return { id: "w1", outcome: "rejected", reason: "The token is not known." };
  mock.control = {
    principal: mock.session.name,
    means: "web",
    what: typeof body === "string" ? body : Object.keys(body)[0],
    unix_ms: nowOf(mock),
  };
  if (body.limits) mock.limits = body.limits;
  if (body.setpoints?.battery_kw > 40)
    return { id: "w1", outcome: "clamped", battery_kw: 40, chp_kw: body.setpoints.chp_kw };
  return { id: "w1", outcome: "done" };
}

function logIn(mock, { name, password }, response) {
  if (mock.failures >= 5) return fail(response, 429, "Too many tries.", { "Retry-After": "30" });
  if (password !== "pass" || !USERS[name]) {
    mock.failures += 1;
    return fail(response, 401, "wrong");
  }
  mock.session = { name, role: USERS[name] };
  response.writeHead(204, HEADERS).end();
}

function logOut(mock, response) {
  mock.session = null;
  response.writeHead(204, HEADERS).end();
}

/** Series of any range with least, mean, most, and a gap of 45 minutes each morning at 5. */
function history(names, from, to, max) {
  const step =
    [1, 10, 60, 900, 3600, 21_600, 86_400, 604_800]
      .map((seconds) => seconds * 1000)
      .find((ms) => (to - from) / ms <= max) ?? 2_592_000_000;
  const series = {};
  for (const name of names) {
    const made = { unit: /_kw$/.test(name) ? "kW" : "", t: [], min: [], mean: [], max: [] };
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) push(made, name, at, step);
    series[name] = made;
  }
  return { step_ms: step, series };
}

function push(made, name, at, step) {
  const local = (at + 7_200_000) % DAY;
  const gap = step < 3_600_000 && local >= 5 * 3_600_000 && local < 5.75 * 3_600_000;
  const value = gap ? null : (truth(at)[name] ?? null);
  const spread = value === null ? null : Math.abs(value) * 0.04 * (step > 60_000 ? 1 : 0);
  made.t.push(at);
  made.min.push(value === null ? null : value - spread);
  made.mean.push(value);
  made.max.push(value === null ? null : value + spread);
}

const REVIEW = [
  { what: "Battery, set_power", value: "12.4 kW, 0 to 50", ok: true },
  { what: "CHP, set_power", value: "30.0 kW, 0 to 80", ok: true },
  { what: "PV, limit", value: "no cap", ok: true },
  { what: "Required points", value: "31 of 31 good", ok: true },
];
const MODEL = {
  name: "td3-extended",
  runtime: "plain Rust",
  schema: "extended-2",
  hash: "9f2c31d07ab4e5569f2c31d07ab4e5569f2c31d07ab4e5569f2c31d07ab4e556",
  made: { by: "gateway train config/train/default.toml", seed: 3, profile: "site-a-2016.csv", date: "2026-08-30" },
  evaluation: {
    cost_eur_per_day: 87.9,
    rule_eur_per_day: 92.34,
    bound_eur_per_day: 86.43,
    violations: 0,
    test_days: 50,
  },
  trained_for: {
    tariff: { import_eur_per_kwh: [0.05, 0.45], spread_change_eur_per_kwh_max: 0.03 },
    plant_hash: "51ae03",
  },
  out_of_distribution: { is: false, why: "Prices of the last day lie within those of training." },
};
const LOG = [
  {
    unix_ms: START_MS - 3_600_000,
    principal: "anna",
    role: "operator",
    means: "web",
    what: "limits",
    outcome: "done",
    detail: "import at most 90 kW",
  },
  {
    unix_ms: START_MS - 7_200_000,
    principal: "grid",
    role: "guard",
    means: "mqtt",
    what: "limits",
    outcome: "done",
    detail: "export at most 60 kW",
  },
  {
    unix_ms: START_MS - 30_000_000,
    principal: "vera",
    role: "viewer",
    means: "web",
    what: "manual",
    outcome: "rejected",
    detail: "viewer may not",
  },
  {
    unix_ms: START_MS - 31_000_000,
    principal: "gateway",
    role: "control",
    means: "control",
    what: "mode",
    outcome: "done",
    detail: "shadow to auto",
  },
  {
    unix_ms: START_MS - 31_200_000,
    principal: "gateway",
    role: "control",
    means: "control",
    what: "start",
    outcome: "done",
    detail: "version 0.4.0",
  },
];
const money = (key, name, more = {}) => ({
  [key]: name,
  gateway_eur: 88.1,
  rule_eur: 92.6,
  idle_eur: 121.4,
  error_eur: 0.6,
  valid: true,
  why: null,
  hours_auto: 24,
  hours_shadow: 0,
  ...more,
});
const LEDGER = {
  currency: "EUR",
  text: "In September the gateway has cost 63.10 EUR less than the rule, within 8.40 EUR.",
  days: [
    money("day", "2026-09-15", { gateway_eur: 58.4, rule_eur: 60.6, idle_eur: 76.1, hours_auto: 8.4 }),
    money("day", "2026-09-14"),
    money("day", "2026-09-13", {
      valid: false,
      why: "5 hours were not recorded.",
      rule_eur: null,
      idle_eur: null,
      error_eur: null,
      hours_auto: 19,
    }),
    money("day", "2026-09-12", { hours_auto: 0, hours_shadow: 24 }),
  ],
  months: [
    money("month", "2026-09", {
      gateway_eur: 1233.4,
      rule_eur: 1296.5,
      idle_eur: 1699.6,
      error_eur: 8.4,
      hours_auto: 331,
    }),
  ],
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [port = "0", scenario = "normal", role = null] = process.argv.slice(2);
  if (!SCENARIOS.includes(scenario))
    throw new Error(`scenario: expected one of ${SCENARIOS.join(", ")}, found "${scenario}"`);
  const { url } = await start({ port: Number(port), scenario, role });
  console.log(url);
}
