export function show(node, text) {
  node.textContent = text;
  node.innerHTML = text; // bad
  node.innerHTML = "";
  node.insertAdjacentHTML("beforeend", text); // bad
  document.write(text); // bad
  return eval(text); // bad
}
