// Numbers, times and ids as people read them.

const numbers = new Intl.NumberFormat("en");
const exact = new Intl.DateTimeFormat("en-GB", {
  year: "numeric",
  month: "short",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
});
const clockTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const count = (number) => (number === null || number === undefined ? "–" : numbers.format(number));

/** "1 relay", "2,000 relays". */
export const many = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A share that says 100 % only if it is. */
export function share(part, whole) {
  if (whole === 0) return "–";
  if (part === whole) return "100 %";
  const percent = (part / whole) * 100;
  const digits = percent > 99 ? 100 : 10;
  return `${Math.floor(percent * digits) / digits} %`;
}

/** A span of milliseconds: "42 ms", "1.2 s", "3 min 4 s", "2 h 5 min", "3 d 4 h". */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  return coarse(Math.floor(seconds), true);
}

function coarse(seconds, fine) {
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first === -1) return "0 s";
  const [name, size] = units[first];
  const whole = Math.floor(seconds / size);
  const text = `${whole} ${name}`;
  if (!fine || first === units.length - 1) return text;
  const [nextName, nextSize] = units[first + 1];
  const rest = Math.floor((seconds % size) / nextSize);
  return rest === 0 ? text : `${text} ${rest} ${nextName}`;
}

/** "4 min ago", "in 32 s". Hours say their minutes; what is older than two days is told in days. */
export function relative(at, now) {
  const seconds = Math.round((at - now) / 1000);
  const size = Math.abs(seconds);
  if (size < 1) return "now";
  const text = coarse(size, size >= 3600 && size < 172_800);
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}

/** How long it is since then: "4 min", "1 h 33 min". */
export const lasting = (at, now) => coarse(Math.max(0, Math.round((now - at) / 1000)), now - at >= 3_600_000);

export const exactTime = (ms) => exact.format(new Date(ms));
export const timeOfDay = (ms) => clockTime.format(new Date(ms));

/** The two ends of a long id. */
export const shortened = (id, start = 6, end = 4) =>
  id.length <= start + end + 1 ? id : `${id.slice(0, start)}…${id.slice(-end)}`;

/** The first letter large: API sentences in messages are lower case. */
export const capital = (text) => (text ? text.charAt(0).toUpperCase() + text.slice(1) : text);
