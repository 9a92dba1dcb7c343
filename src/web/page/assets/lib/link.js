// The live connection: what the gateway said last, and how long ago. The page cannot know whether the gateway is off, so
// it never says so: it says for how long there has been no news.

import { get } from "./api.js";
import { LocalTime } from "./format.js";

const NO_NEWS_S = 3;
const NO_NEWS_S_MAX = 15;
const SILENCE_S = 8;
/** How often it is asked whether the log-in still holds. */
const SESSION_MS = 60_000;
const RETRY_MS = [500, 1000, 2000, 4000];

/** Events: "state" (news or a second has passed), "alarms", "session". */
export class Link extends EventTarget {
  state = null;
  alarms = null;
  session = { principal: null, role: "viewer", log_in: false, expires_unix_ms: null };
  /** Seconds between news, on average: a gateway of slow cycles is not silent between them. */
  rhythmS = 1;
  #source = null;
  #tries = 0;
  #retry = null;
  #opened = { wall: Date.now(), steady: performance.now() };
  #heard = null;

  start() {
    this.#connect();
    this.refreshSession();
    setInterval(() => this.#tick(), 500);
    setInterval(() => document.visibilityState === "visible" && this.refreshSession(), SESSION_MS);
    const back = () => document.visibilityState === "visible" && this.wake();
    document.addEventListener("visibilitychange", back);
    addEventListener("pageshow", (event) => event.persisted && this.wake());
    addEventListener("online", () => this.wake());
  }

  /** After a sleep: ask at once, and connect anew, because the old connection may be dead without knowing it. */
  wake() {
    this.#tries = 0;
    this.#connect();
    this.refresh();
    this.refreshSession();
  }

  async refresh() {
    try {
      this.#news(await get("state"));
    } catch {
      /* the age of the news says it */
    }
    try {
      this.#hearAlarms(await get("alarms"));
    } catch {
      /* likewise */
    }
  }

  async refreshSession() {
    try {
      this.session = await get("session");
      if (this.session.may_look === false) this.state = null;
      this.dispatchEvent(new Event("session"));
    } catch {
      /* what was known stays; the server judges every request anyway */
    }
  }

  /** Wall seconds since the last news. Both clocks, because the steady one may stand still while a computer sleeps. */
  newsAgeS() {
    const since = this.#heard ?? this.#opened;
    return Math.max(0, Date.now() - since.wall, performance.now() - since.steady) / 1000;
  }

  /** There are news, and they are recent enough to act on. */
  get live() {
    return this.state !== null && this.newsAgeS() < this.noNewsS;
  }

  get noNewsS() {
    return Math.min(NO_NEWS_S_MAX, Math.max(NO_NEWS_S, 3 * this.rhythmS));
  }

  /** Times of the site. */
  get time() {
    return new LocalTime(this.state?.time.utc_offset_min ?? 0);
  }

  /** The plant's clock now, ms since 1970: what it said last, gone on by its own speed while there are news. */
  nowMs() {
    const said = this.state?.time;
    if (!said) return Date.now();
    const goneS = Math.min(this.newsAgeS(), this.noNewsS);
    return said.unix_ms + goneS * 1000 * (said.speed ?? 1);
  }

  #connect() {
    clearTimeout(this.#retry);
    this.#source?.close();
    const source = new EventSource("api/v1/events");
    this.#source = source;
    source.addEventListener("state", (event) => this.#parsed(event, (state) => this.#news(state)));
    source.addEventListener("alarms", (event) => this.#parsed(event, (alarms) => this.#hearAlarms(alarms)));
    source.addEventListener("error", () => source === this.#source && this.#again());
    this.#opened = { wall: Date.now(), steady: performance.now() };
  }

  #parsed(event, use) {
    try {
      use(JSON.parse(event.data));
    } catch (error) {
      console.warn("A message of the gateway could not be read.", error);
    }
  }

  #again() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#retry);
    const wait = RETRY_MS[Math.min(this.#tries, RETRY_MS.length - 1)];
    this.#tries += 1;
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  /** News is a new cycle: a server that repeats itself while control stands still brings none. */
  #news(state) {
    const isNew =
      this.state === null || state.cycle !== this.state.cycle || state.time.unix_ms !== this.state.time.unix_ms;
    if (!isNew) return;
    if (this.#heard) this.rhythmS += 0.3 * (Math.min(this.newsAgeS(), NO_NEWS_S_MAX / 3) - this.rhythmS);
    this.#heard = { wall: Date.now(), steady: performance.now() };
    this.#tries = 0;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  #hearAlarms({ alarms, history }) {
    this.alarms = { alarms: alarms.filter((one) => one.state !== "normal"), history };
    this.dispatchEvent(new Event("alarms"));
  }

  #tick() {
    const quiet = Math.max(0, Date.now() - this.#opened.wall) / 1000;
    if (this.#source && this.newsAgeS() > SILENCE_S && quiet > SILENCE_S) this.#again();
    this.dispatchEvent(new Event("tick"));
  }
}
