const KEY = "theme";
const THEMES = { auto: "Automatic", light: "Light", dark: "Dark" };

/** Lets the reader choose between light and dark; the choice stays in this browser. */
export function offerThemes(button) {
  const names = Object.keys(THEMES);
  let chosen = localStorage.getItem(KEY);
  const show = () => {
    chosen = names.includes(chosen) ? chosen : "auto";
    document.documentElement.dataset.theme = chosen;
    if (button) {
      button.textContent = `Theme: ${THEMES[chosen]}`;
      button.hidden = false;
    }
  };
  button?.addEventListener("click", () => {
    chosen = names[(names.indexOf(chosen) + 1) % names.length];
    localStorage.setItem(KEY, chosen);
    show();
  });
  show();
}
