import { element } from "./elements.js";

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A moment as the reader's own clock shows it. */
export function time(moment) {
  return element("time", { datetime: moment }, format.format(new Date(moment)));
}

/** Rewrites every moment below `root`, which the server wrote in UTC. */
export function showLocalTimes(root) {
  for (const shown of root.querySelectorAll("time[datetime]")) {
    shown.textContent = format.format(new Date(shown.dateTime));
  }
}
