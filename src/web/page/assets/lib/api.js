// Requests to the gateway. Paths are relative, so the page also works below a path of a proxy.

const API = "api/v1";
const WAIT_MS = 10_000;

/** What a request came to grief of: `status` 0 where nothing answered; `text` is for the operator. */
export class ApiError extends Error {
  constructor(status, text, retryAfterS = null) {
    super(text);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

const NO_ANSWER = "No answer within 10 s. It is not known whether this was taken: Events will tell.";

async function request(method, path, body) {
  const asks = {
    method,
    headers: { Accept: "application/json" },
    cache: "no-store",
    signal: AbortSignal.timeout(WAIT_MS),
  };
  if (method !== "GET") asks.headers["Content-Type"] = "application/json";
  if (body !== undefined) asks.body = JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(`${API}/${path}`, asks);
  } catch (error) {
    throw new ApiError(
      0,
      method !== "GET" && error.name === "TimeoutError" ? NO_ANSWER : "The gateway does not answer.",
    );
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

async function refusal(answer) {
  const text = await answer.text().catch(() => "");
  let reason = text;
  try {
    reason = JSON.parse(text).error ?? text;
  } catch {
    /* the text itself is the reason */
  }
  const retry = Number(answer.headers.get("Retry-After"));
  return new ApiError(
    answer.status,
    String(reason || `Refused with status ${answer.status}.`),
    retry > 0 ? retry : null,
  );
}

export const query = (parameters) => {
  const kept = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  return kept.length ? `?${new URLSearchParams(kept.map(([key, value]) => [key, String(value)]))}` : "";
};

/** The JSON of a GET. */
export const get = async (path, parameters = {}) => (await request("GET", path + query(parameters))).json();

/** Where a file can be had, for a link. */
export const urlOf = (path, parameters = {}) => `${API}/${path}${query(parameters)}`;

/** POST; the JSON of the answer, or null where it is empty. */
export async function post(path, body = {}) {
  const text = await (await request("POST", path, body)).text();
  return text ? JSON.parse(text) : null;
}

export const logIn = (name, password) => request("POST", "session", { name, password });
export const logOut = () => request("DELETE", "session");

/** A command of the operator; `confirm` is the token of arming. Answer: `{outcome, reason?, …}`. */
export const command = (body, confirm) => post("commands", confirm === undefined ? { body } : { body, confirm });

/** Bodies of commands, as `openapi.json` says them. Powers kW, battery + = charging. */
export const Command = {
  mode: (name) => name,
  arm: () => "arm",
  acknowledge: () => "acknowledge",
  setpoints: (batteryKw, chpKw) => ({ setpoints: { battery_kw: batteryKw, chp_kw: chpKw } }),
  limits: (importKwMax, exportKwMax) => ({ limits: { import_kw_max: importKwMax, export_kw_max: exportKwMax } }),
};
