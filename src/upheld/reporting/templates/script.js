// The page works without this. It filters the claims, opens what a link leads to, and copies a finding for an issue tracker.
// It asks nothing of any network, keeps nothing, and puts what it shows into the page as text only.
"use strict";
(() => {
  const WORST_FIRST = ["refuted", "inconclusive", "lapsed", "uncovered", "attested", "upheld"];
  const byId = (id) => document.getElementById(id);
  const line = (text) => text.replace(/\s+/g, " ").trim();

  // --- the filter ---------------------------------------------------------------------------------------------------
  const claims = Array.from(document.querySelectorAll(".claim"), (element) => ({
    element,
    status: element.dataset.status,
    severity: element.dataset.severity,
    owner: element.dataset.owner,
    frameworks: element.dataset.frameworks.split(" "),
    text: null,
  }));
  const groups = Array.from(document.querySelectorAll(".group"), (element) => ({
    element,
    claims: claims.filter((claim) => element.contains(claim.element)),
  }));
  const said = byId("said");
  const fields = ["text", "severity", "owner", "framework"].map((name) => [name, byId(`with-${name}`)]).filter((one) => one[1]);
  const shows = Array.from(document.querySelectorAll("input[name=show]"));
  let announced = "";

  const textOf = (claim) => (claim.text ??= claim.element.textContent.toLowerCase());

  const wanted = () => {
    const values = Object.fromEntries(fields.map(([name, field]) => [name, field.value.trim()]));
    return { status: shows.find((one) => one.checked)?.value ?? "", ...values };
  };

  const matches = (claim, want, words) =>
    (!want.status || claim.status === want.status) &&
    (!want.severity || claim.severity === want.severity) &&
    (!want.owner || claim.owner === want.owner) &&
    (!want.framework || claim.frameworks.includes(want.framework)) &&
    words.every((word) => textOf(claim).includes(word));

  const filter = () => {
    const want = wanted();
    const words = (want.text ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const hidden = new Map(WORST_FIRST.map((status) => [status, 0]));
    const out = new Set();
    for (const claim of claims) {
      if (!matches(claim, want, words)) {
        out.add(claim);
        hidden.set(claim.status, (hidden.get(claim.status) ?? 0) + 1);
      }
    }
    for (const claim of claims) claim.element.classList.toggle("out", out.has(claim));
    for (const group of groups) group.element.classList.toggle("out", group.claims.every((claim) => out.has(claim)));
    say(out.size, hidden);
    remember(want);
  };

  const say = (count, hidden) => {
    const parts = WORST_FIRST.filter((status) => hidden.get(status)).map((status) => `${hidden.get(status)} ${status}`);
    const shown = claims.length - count;
    announced = count ? `Showing ${shown} of ${claims.length} claims; hidden by this filter: ${parts.join(", ")}.` : "";
    said.textContent = announced;
    said.classList.toggle("warns", hidden.get("refuted") > 0);
  };

  const everything = () => {
    for (const [, field] of fields) field.value = "";
    for (const one of shows) one.checked = one.value === "";
    filter();
  };

  // A filter stands in the address, so that it can be handed on: #filter:status=refuted&owner=platform
  const nameOf = (field) => (field.tagName === "SELECT" ? field.selectedOptions[0].textContent : field.value.trim());
  const remember = (want) => {
    const kept = new URLSearchParams();
    if (want.status) kept.set("status", want.status);
    for (const [name, field] of fields) if (want[name]) kept.set(name, nameOf(field));
    if (String(kept)) history.replaceState(null, "", `#filter:${kept}`);
    else if (location.hash.startsWith("#filter:")) history.replaceState(null, "", "#claims");
  };
  const recall = () => {
    const kept = new URLSearchParams(location.hash.slice("#filter:".length));
    for (const one of shows) one.checked = one.value === (kept.get("status") ?? "");
    if (!shows.some((one) => one.checked)) shows[0].checked = true;
    for (const [name, field] of fields) {
      const value = kept.get(name) ?? "";
      if (field.tagName === "SELECT") {
        field.selectedIndex = Math.max(0, Array.from(field.options).findIndex((one) => value && one.textContent === value));
      } else field.value = value;
    }
    filter();
  };

  // --- links to a claim, a check or a finding -----------------------------------------------------------------------
  const follow = () => {
    if (location.hash.startsWith("#filter:")) return recall();
    let name = location.hash.slice(1);
    try { name = decodeURIComponent(name); } catch { /* It is spelled as it is. */ }
    const target = name && byId(name);
    if (!target) return;
    const claim = target.closest(".claim");
    if (claim?.classList.contains("out")) everything();
    for (let one = target.parentElement; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    if (claim === target) for (const one of claim.querySelectorAll(":scope > .evidence")) one.open = true;
    target.scrollIntoView();
  };

  // --- a finding as Markdown ----------------------------------------------------------------------------------------
  // All that comes from a target or a policy stands in code, where a tracker reads neither markup nor names.
  const longest = (text) => Math.max(0, ...Array.from(text.matchAll(/`+/g), (run) => run[0].length));
  const code = (text) => {
    const fence = "`".repeat(longest(text) + 1);
    return `${fence} ${line(text)} ${fence}`.replace(/^` ([^`]*) `$/, "`$1`");
  };
  const block = (text) => {
    const fence = "`".repeat(Math.max(3, longest(text) + 1));
    return `${fence}text\n${text.replace(/\n+$/, "")}\n${fence}`;
  };
  const markdown = (finding) => {
    const check = finding.closest(".check");
    const claim = finding.closest(".claim");
    const run = document.querySelector("main").dataset;
    const inside = (one, css) => line(one.querySelector(css)?.textContent ?? "");
    const rows = Array.from(finding.querySelectorAll(":scope > dl > div"), (row) => [inside(row, "dt"), inside(row, "dd")]);
    const written = [
      `**${finding.dataset.verdict === "fail" ? "Refuted" : "Not observed"}**: ${code(inside(finding, ".about"))}`,
      "",
      `- claim: ${code(inside(claim, ".statement"))} (${code(inside(claim, ".name"))}, ${claim.dataset.status})`,
      `- check: ${code(inside(check, ".name"))}: ${code(inside(check, "h5"))}`,
      ...Array.from(check.querySelectorAll(":scope > .meta > .parameter"), (one) => `- parameter: ${code(one.textContent)}`),
      ...rows.map(([name, value]) => `- ${name}: ${code(value)}`),
      `- target: ${code(run.target)}, audited ${run.started}, run ${code(run.run)}`,
      `- fingerprint: ${code(finding.dataset.fingerprint)}`,
    ];
    for (const look of finding.querySelectorAll(".looks > ol > li")) {
      written.push("", `Observation ${code(inside(look, ".meta code"))} at ${code(inside(look, "time"))}`);
      for (const css of [".arguments", "pre", ".reason"]) {
        const part = look.querySelector(css);
        if (part) written.push("", block(part.textContent));
      }
    }
    return `${written.join("\n")}\n`;
  };
  const copied = byId("copied");
  const copy = async (button) => {
    const text = markdown(button.closest(".finding"));
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      copied.textContent = "The finding is in the clipboard, as Markdown.";
      setTimeout(() => { button.textContent = "Copy as Markdown"; copied.textContent = ""; }, 2000);
    } catch {
      // No clipboard is to be had here: the text is shown, to be copied by hand.
      const shown = button.nextElementSibling?.tagName === "TEXTAREA" ? button.nextElementSibling : document.createElement("textarea");
      shown.readOnly = true;
      shown.rows = 12;
      shown.setAttribute("aria-label", "The finding as Markdown");
      shown.value = text;
      button.after(shown);
      shown.select();
    }
  };

  // --- at work ------------------------------------------------------------------------------------------------------
  document.body.classList.add("scripted");
  for (const one of shows) one.addEventListener("change", filter);
  for (const [, field] of fields) field.addEventListener("input", filter);
  byId("show-everything")?.addEventListener("click", everything);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button.copy");
    if (button) copy(button);
    // A second click on the link that the address names already leads there again.
    const link = event.target.closest?.('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) follow();
  });
  window.addEventListener("hashchange", follow);
  follow();

  // Chromium reads the whole text of a page for its own ends in the first frame that it draws after loading. On a page that nobody
  // has touched that is the frame of the first filter; so one is asked for at once.
  window.addEventListener("load", () => requestAnimationFrame(() => {}));

  // What claims say is read while nothing else is to do, so that the first letter typed is as quick as the next.
  const waiting = claims.slice();
  const read = (deadline) => {
    while (waiting.length && deadline.timeRemaining() > 4) textOf(waiting.shift());
    if (waiting.length) requestIdleCallback(read);
  };
  if (window.requestIdleCallback) requestIdleCallback(read);
})();
