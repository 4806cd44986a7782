"use strict";
const board = document.getElementById("cards");
const cards = [...board.children];
const sort = document.getElementById("sort");
const search = document.getElementById("search");
const tabs = [...document.querySelectorAll("nav button")];
let shown = "all";

function value(card, key) {
  const text = card.dataset[key];
  return key === "name" ? text.toLowerCase() : text === undefined ? NaN : Number(text);
}

function order() {
  const down = sort.value.startsWith("-");
  const key = sort.value.replace("-", "");
  cards.sort((a, b) => {
    const x = value(a, key), y = value(b, key);
    if (x !== x || y !== y) return (x !== x) - (y !== y);  // those without the number last
    const less = x < y ? -1 : x > y ? 1 : 0;
    return (down ? -less : less) || a.dataset.rank - b.dataset.rank;
  });
  board.append(...cards);
}

function filter() {
  const wanted = search.value.trim().toLowerCase();
  let visible = 0;
  for (const card of cards) {
    const { status, grade, warnings } = card.dataset;
    const kind = ["all", status, grade, warnings && "warned"].includes(shown);
    card.hidden = !(kind && card.dataset.name.toLowerCase().includes(wanted));
    visible += !card.hidden;
  }
  document.getElementById("none").hidden = visible > 0;
}

for (const tab of tabs) {
  tab.addEventListener("click", () => {
    shown = tab.dataset.show;
    for (const other of tabs) other.setAttribute("aria-pressed", other === tab);
    filter();
  });
}
sort.addEventListener("change", order);
search.addEventListener("input", filter);
