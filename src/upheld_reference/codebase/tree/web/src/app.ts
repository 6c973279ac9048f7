// The inbox keeps itself up to date; the session lives in a cookie that scripts cannot read.
const PAUSE_MILLISECONDS = 5000;

async function refresh(list: HTMLElement): Promise<void> {
  const answer = await fetch("/inbox/messages", { credentials: "same-origin" });
  if (answer.ok) list.textContent = await answer.text();
}

const list = document.getElementById("messages");
if (list) setInterval(() => void refresh(list), PAUSE_MILLISECONDS);
