import { keepFresh } from "./inbox.js";
import { offerThemes } from "./theme.js";
import { showLocalTimes } from "./times.js";

offerThemes(document.querySelector("[data-themes]"));
showLocalTimes(document);

const inbox = document.querySelector("[data-inbox]");
if (inbox) {
  keepFresh(inbox);
}
