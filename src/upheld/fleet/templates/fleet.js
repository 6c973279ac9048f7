// The page works without this. It filters and orders the map, and lets its cells be walked by keyboard.
// It asks nothing of any network, keeps nothing, and puts what it shows into the page as text only.
"use strict";
(() => {
  const WORDS = { R: "refuted", X: "not observed", I: "inconclusive", L: "lapsed", N: "uncovered", A: "attested", U: "upheld" };
  const byId = (id) => document.getElementById(id);
  const line = (text) => text.replace(/\s+/g, " ").trim();
  const named = (cell) => line((cell.querySelector("a, span") ?? cell).textContent);

  const tables = Array.from(document.querySelectorAll(".heat table"), (element) => {
    const heads = Array.from(element.tHead.rows[0].cells).slice(1);
    const body = element.tBodies[0];
    return { element, body, heads, region: element.parentElement };
  });
  const rows = tables.flatMap((table) =>
    Array.from(table.body.rows, (element, place) => {
      const name = named(element.cells[0]);
      const letters = Array.from(element.cells, (cell) => cell.className).slice(1).join("");
      return { element, table, place, name, letters, blank: !letters, found: name.toLowerCase(), unlike: Number(element.dataset.unlike) };
    }),
  );

  // --- the filter and the order -------------------------------------------------------------------------------------
  const said = byId("said");
  const shows = Array.from(document.querySelectorAll("input[name=show]"));
  const text = byId("with-text");
  const claim = byId("with-claim");
  const order = byId("order");
  const at = byId("at");

  const wanted = () => ({ status: shows.find((one) => one.checked)?.value ?? "", text: text.value.trim(), claim: claim.value });
  const matches = (row, want, words, at) => {
    if (!words.every((word) => row.found.includes(word))) return false;
    if (!want.claim) return !want.status || row.letters.includes(want.status) || (row.blank && want.status === "X");
    if (at === -1) return false;
    return want.status ? row.letters[at] === want.status : !"UA".includes(row.letters[at]);
  };

  const filter = () => {
    const want = wanted();
    const words = want.text.toLowerCase().split(/\s+/).filter(Boolean);
    const places = new Map(tables.map((table) => [table, table.heads.findIndex((head) => head.dataset.claim === want.claim)]));
    let shown = 0;
    let broken = 0;
    for (const row of rows) {
      const fits = matches(row, want, words, places.get(row.table));
      row.element.classList.toggle("out", !fits);
      if (fits) shown += 1;
      else if (row.letters.includes("R")) broken += 1;
    }
    for (const [table, at] of places) table.heads.forEach((head, number) => head.classList.toggle("chosen", number === at));
    const hidden = rows.length - shown;
    const of = want.claim ? `, in ${claim.selectedOptions[0].textContent}${want.status ? "" : ": not upheld"}` : "";
    said.textContent = hidden ? `Showing ${shown} of ${rows.length} targets${of}; hidden by this filter: ${hidden}, of which ${broken} break a promise.` : "";
    said.classList.toggle("warns", broken > 0);
    at.textContent = "";
    remember(want);
  };

  const names = new Intl.Collator(undefined, { numeric: true });
  const ORDERS = {
    place: (a, b) => a.place - b.place,
    unlike: (a, b) => b.unlike - a.unlike || a.place - b.place,
    name: (a, b) => names.compare(a.name, b.name),
  };
  const sort = () => {
    for (const table of tables) {
      const own = rows.filter((row) => row.table === table).sort(ORDERS[order.value]);
      table.body.replaceChildren(...own.map((row) => row.element));
    }
    remember(wanted());
  };

  // What is chosen stands in the address, so that it can be handed on: #filter:status=R&claim=rbac&order=name
  const option = (select, value) => Math.max(0, Array.from(select.options).findIndex((one) => value && one.textContent === value));
  const remember = (want) => {
    const kept = new URLSearchParams();
    if (want.status) kept.set("status", WORDS[want.status]);
    if (want.text) kept.set("text", want.text);
    if (want.claim) kept.set("claim", claim.selectedOptions[0].textContent);
    if (order.value !== "place") kept.set("order", order.value);
    if (String(kept)) history.replaceState(null, "", `#filter:${kept}`);
    else if (location.hash.startsWith("#filter:")) history.replaceState(null, "", "#map");
  };
  const recall = () => {
    if (!location.hash.startsWith("#filter:")) return;
    const kept = new URLSearchParams(location.hash.slice("#filter:".length));
    for (const one of shows) one.checked = (WORDS[one.value] ?? "") === (kept.get("status") ?? "");
    if (!shows.some((one) => one.checked)) shows[0].checked = true;
    text.value = kept.get("text") ?? "";
    claim.selectedIndex = option(claim, kept.get("claim"));
    if (Object.hasOwn(ORDERS, kept.get("order") ?? "")) order.value = kept.get("order");
    sort();
    filter();
  };
  const everything = () => {
    for (const one of shows) one.checked = one.value === "";
    text.value = "";
    claim.selectedIndex = 0;
    filter();
  };

  // --- the cells ----------------------------------------------------------------------------------------------------
  const tell = (cell) => {
    const row = cell.parentElement;
    const table = row.closest("table");
    const head = table.tHead.rows[0].cells[cell.cellIndex];
    const statement = byId(head.dataset.claim)?.querySelector("p")?.textContent ?? "";
    const reason = row.dataset.reason ? ` (${line(row.dataset.reason)})` : "";
    at.textContent = `${named(row.cells[0])}: ${named(head)} is ${line(cell.textContent)}${reason}. “${line(statement)}”`;
  };
  let current = null;
  const focus = (cell) => {
    if (current) current.removeAttribute("tabindex");
    current = cell;
    cell.tabIndex = 0;
    cell.focus();
    tell(cell);
  };
  const beside = (row, step) => {
    let next = row;
    do next = step > 0 ? next.nextElementSibling : next.previousElementSibling;
    while (next && next.classList.contains("out"));
    return next;
  };
  const open = (cell) => {
    const link = cell.parentElement.cells[0].querySelector("a");
    const head = cell.closest("table").tHead.rows[0].cells[cell.cellIndex];
    if (link) location.assign(`${link.href}#${head.dataset.there}`);
  };
  const MOVES = {
    ArrowRight: (cell) => cell.nextElementSibling,
    ArrowLeft: (cell) => (cell.cellIndex > 1 ? cell.previousElementSibling : null),
    ArrowDown: (cell) => beside(cell.parentElement, 1)?.cells[cell.cellIndex],
    ArrowUp: (cell) => beside(cell.parentElement, -1)?.cells[cell.cellIndex],
    Home: (cell) => cell.parentElement.cells[1],
    End: (cell) => cell.parentElement.lastElementChild,
  };
  const press = (event) => {
    const cell = event.target.closest("td");
    if (!cell) {
      // Enter on the map itself steps into it; the arrows alone scroll it, as in any other region.
      if (event.key === "Enter" && event.target.classList.contains("heat")) {
        const first = event.target.querySelector("tbody tr:not(.out) td");
        if (first) { event.preventDefault(); focus(first); }
      }
      return;
    }
    if (event.key === "Enter") return open(cell);
    if (event.key === "Escape") return cell.closest(".heat").focus();
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = move(cell);
    if (next) focus(next);
  };

  // --- at work ------------------------------------------------------------------------------------------------------
  document.body.classList.add("scripted");
  for (const one of shows) one.addEventListener("change", filter);
  for (const one of [text, claim]) one.addEventListener("input", filter);
  order.addEventListener("input", sort);
  byId("show-everything").addEventListener("click", everything);
  for (const { region } of tables) {
    region.addEventListener("keydown", press);
    region.addEventListener("mouseover", (event) => { const cell = event.target.closest("td"); if (cell) tell(cell); });
    region.addEventListener("dblclick", (event) => { const cell = event.target.closest("td"); if (cell) open(cell); });
  }
  window.addEventListener("hashchange", recall);
  recall();
})();
