// A gateway at a virtual plant, as an operator has it: mosquitto, `gateway plant` behind real Modbus TCP, `gateway run`
// as at a real plant. Connections to the CHP go through a gate here, which can be shut. Everything ends with `stop`.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const ROOT = resolve(import.meta.dirname, "../..");
const GATEWAY = process.env.MEMG_GATEWAY ?? join(ROOT, "target/debug/gateway");
const LOOPBACK = "127.0.0.1";
/** Passwords are made for one run. */
export const PASSWORD = `p-${Math.random().toString(36).slice(2)}-${Date.now()}`;
const USERS = { vera: "viewer", anna: "operator", ute: "engineer" };

/** A port that nobody had a moment ago. */
function freePort() {
  const server = net.createServer();
  return new Promise((done) =>
    server.listen(0, LOOPBACK, () => {
      const { port } = server.address();
      server.close(() => done(port));
    }),
  );
}

/** Starts a program; what it says goes to `heard` line by line. */
function start(program, args, options, heard = () => {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  const said = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      said.push(line);
      heard(line);
    });
  const ended = new Promise((done) => child.on("close", done));
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await Promise.race([ended, new Promise((done) => setTimeout(done, 10_000).unref())]);
    child.kill("SIGKILL");
    await ended;
  };
  return { child, said, end, ended };
}

/** Waits for a line that `find` finds something in. */
async function hear(program, find) {
  for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((done) => setTimeout(done, 20))) {
    const found = program.said.map(find).find(Boolean);
    if (found) return found;
    assert.equal(program.child.exitCode, null, `it has ended: ${program.said.slice(-5).join("\n")}`);
  }
  throw new Error(`It never said so:\n${program.said.slice(-20).join("\n")}`);
}

/** Lets connections through to a device, or none. */
async function gate(port) {
  const sockets = new Set();
  let open = true;
  const server = net.createServer((from) => {
    if (!open) return from.destroy();
    const to = net.connect(port, LOOPBACK);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ]) {
      sockets.add(one);
      one.on("error", () => other.destroy()).on("close", () => (sockets.delete(one), other.destroy()));
    }
    from.pipe(to).pipe(from);
  });
  await new Promise((done) => server.listen(0, LOOPBACK, done));
  return {
    port: server.address().port,
    shut: () => {
      open = false;
      sockets.forEach((socket) => socket.destroy());
    },
    open: () => (open = true),
    end: () => {
      sockets.forEach((socket) => socket.destroy());
      server.close();
    },
  };
}

/** Registers of a Modbus device: `table` is 3 for holding and 4 for input registers. */
export function registers(port, table, address, count) {
  const request = Buffer.from([0, 1, 0, 0, 0, 6, 1, table, address >> 8, address & 255, 0, count]);
  return new Promise((done, failed) => {
    const socket = net.connect(port, LOOPBACK, () => socket.write(request));
    let answer = Buffer.alloc(0);
    socket.on("error", failed).on("data", (bytes) => {
      answer = Buffer.concat([answer, bytes]);
      if (answer.length < 9 + 2 * count) return;
      socket.destroy();
      done(answer.subarray(9, 9 + 2 * count));
    });
    socket.setTimeout(10_000, () => failed(new Error("the device does not answer")));
  });
}

const web = (extra) =>
  `[web]\nlisten = "${LOOPBACK}:0"\n${extra}\n` +
  Object.entries(USERS)
    .map(([name, role]) => `[[web.user]]\nname = "${name}"\nrole = "${role}"\npassword_env = "PAGE_HASH"\n`)
    .join("");

/** The port of a device in the plant's tables. */
const portOf = (tables, name) => Number(new RegExp(`name = "${name}"[^[]*?:(\\d+)"`, "s").exec(tables)[1]);

/** Plant, broker and gateway. `extra`: keys for `[web]`. */
export async function startPlant(extra = "") {
  const folder = await mkdtemp(join(tmpdir(), "memg-page-"));
  const ends = [];
  const stop = async () => {
    for (const end of ends.reverse()) await end();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { ...(await begin(folder, ends, extra)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function begin(folder, ends, extra) {
  const brokerPort = await freePort();
  const broker = () => {
    const running = start("mosquitto", ["-p", String(brokerPort)], {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    });
    ends.push(running.end);
    return running;
  };
  let mosquitto = broker();
  await reachable(brokerPort);
  const day = join(folder, "day.csv");
  await writeFile(day, importing(await readFile(join(ROOT, "config/profiles/site-a-2016.csv"), "utf8")));
  const plant = start(GATEWAY, ["plant", "--profile", day, "--mqtt", `${LOOPBACK}:${brokerPort}`, "--name", "page"], { cwd: ROOT });
  ends.push(plant.end);
  await hear(plant, (line) => line.startsWith("[mqtt]"));
  await new Promise((done) => setTimeout(done, 300));
  const tables = plant.said.filter((line) => !/^\S*\d{4}-\d\d-\d\dT/.test(line)).join("\n");
  const ports = { battery: portOf(tables, "battery"), chp: portOf(tables, "chp") };
  const chp = await gate(ports.chp);
  ends.push(chp.end);
  const config = join(folder, "gateway.toml");
  await mkdir(join(folder, "devices"));
  for (const name of ["battery", "chp", "grid-meter", "pv", "wind", "heat-meter", "load-meter"])
    await writeFile(
      join(folder, "devices", `virtual-${name}.toml`),
      await readFile(join(ROOT, `config/devices/virtual-${name}.toml`)),
    );
  await writeFile(config, configuration(folder, tables.replace(`:${ports.chp}"`, `:${chp.port}"`), extra));
  const made = spawnSync(GATEWAY, ["web-password"], { input: PASSWORD, encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  const env = { ...process.env, PAGE_HASH: made.stdout.trim(), RUST_LOG: "warn" };
  const gateway = start(GATEWAY, ["run", config, "--json"], { cwd: folder, env });
  ends.push(gateway.end);
  const url = (await hear(gateway, (line) => /^Operator's station: (\S+)/.exec(line)?.[1])).replace(/\/$/, "");
  return {
    url,
    chp,
    ports,
    journal: () => readFile(join(folder, "journal"), "utf8"),
    broker: {
      kill: () => mosquitto.child.kill("SIGKILL"),
      start: () => (mosquitto = broker()),
    },
  };
}

function configuration(folder, tables, extra) {
  const operator = `[[operator]]\nname = "anna"\nrole = "operator"\nkey_env = "PAGE_HASH"\n`;
  return (
    `[site]\nname = "page"\ntime_zone = "+00:00"\nplant_file = "${ROOT}/config/sites/site-a.toml"\n` +
    `[control]\ncycle_s = 1.0\nreact_s = 0.05\nrecover_cycles = 2\nhold_s = 600.0\n[policy]\ndecide_with = "idle"\n` +
    `[journal]\npath = "${folder}/journal"\n[history]\npath = "${folder}/history"\n${operator}${web(extra)}${tables}`
  );
}

/** The profile from the first midnight after which the plant needs more than 20 kW from the grid for an hour, so that a limit of the import is felt. */
function importing(text) {
  const [head, ...rows] = text.trim().split("\n");
  const net = rows.map((row) => row.split(",").slice(1, 4).map(Number)).map(([pv, wind, load]) => load - pv - wind);
  const from = rows.findIndex((row, at) => row.includes("T00:00") && net.slice(at, at + 4).every((kw) => kw > 20));
  assert.ok(from >= 0, "the profile has such hours");
  return [head, ...rows.slice(from)].join("\n");
}

async function reachable(port) {
  for (let turn = 0; turn < 500; turn += 1) {
    const there = await new Promise((done) => {
      const socket = net.connect(port, LOOPBACK, () => (socket.destroy(), done(true)));
      socket.on("error", () => done(false));
    });
    if (there) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`nothing listens on ${port}`);
}
