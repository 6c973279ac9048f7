import { element } from "./elements.js";
import { time } from "./times.js";

const PAUSE_MILLISECONDS = 5000;
const SIGNED_OUT = 401;
const TOO_OFTEN = 429;

/** Asks the server again and again for what the inbox shows, while somebody is looking at it. */
export async function keepFresh(inbox) {
  let shown = "";
  let pause = PAUSE_MILLISECONDS;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = PAUSE_MILLISECONDS;
    if (document.hidden) {
      continue;
    }
    try {
      const answer = await fetch(inbox.dataset.inbox, { headers: { accept: "application/json" } });
      if (answer.status === SIGNED_OUT) {
        location.assign("/login");
        return;
      }
      if (answer.status === TOO_OFTEN) {
        pause += 1000 * Number(answer.headers.get("retry-after") ?? 0);
      }
      if (answer.ok) {
        const text = await answer.text();
        if (text !== shown) {
          show(inbox, JSON.parse(text));
          shown = text;
        }
      }
    } catch {
      // The network is away: the page stays as it is, and the next try may do better.
    }
  }
}

function show(inbox, { conversations, messages }) {
  inbox.querySelector("[data-conversations]")?.replaceChildren(...conversations.map(conversationItem));
  inbox.querySelector("[data-messages]")?.replaceChildren(...messages.map(messageItem));
}

function conversationItem({ address, contact, last, at, open }) {
  const link = element("a", open ? { href: address, "aria-current": "true" } : { href: address });
  link.append(element("strong", {}, contact), element("span", { class: "excerpt" }, last ?? "No message yet"));
  if (at) {
    link.append(time(at));
  }
  return element("li", {}, link);
}

function messageItem({ direction, text, at }) {
  return element("li", { class: `message ${direction}` }, element("p", {}, text), time(at));
}
