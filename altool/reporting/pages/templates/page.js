"use strict";
// What the page is without: tables that sort and can be searched. All is there without it, folded.
for (const table of document.querySelectorAll("table.sort")) {
  const box = table.closest(".wide"), body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const after = box.nextElementSibling;
  let rest = after && after.matches("details.rest") ? after : null;
  // Folded rows are of the same table: whoever sorts or searches means all of them.
  const join = () => {
    if (!rest) return;
    body.append(...rest.querySelectorAll("tbody > tr"));
    rest.remove();
    rest = null;
  };
  if (table.closest("details.rest")) continue;
  if (rest) rest.addEventListener("toggle", join);
  const value = (row, place) => {
    const cell = row.cells[place], text = cell.dataset.v ?? cell.textContent.trim();
    const number = parseFloat(text.replace(/[,−≈]/g, (sign) => (sign === "−" ? "-" : "")));
    return [text, Number.isNaN(number) ? -Infinity : number];
  };
  heads.forEach((head, place) => {
    if (!head.textContent.trim() || ![...body.rows].some((row) => row.cells[place].textContent.trim())) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    const text = head.classList.contains("t");
    button.addEventListener("click", () => {
      join();
      const before = head.getAttribute("aria-sort"), down = before ? before === "ascending" : !text;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [row, ...value(row, place)]);
      rows.sort((a, b) => (text ? a[1].localeCompare(b[1], undefined, { numeric: true }) : a[2] - b[2]) * (down ? -1 : 1));
      body.append(...rows.map((one) => one[0]));
    });
  });
  const size = body.rows.length + (rest ? rest.querySelectorAll("tbody > tr").length : 0);
  if (size > 12) box.before(finder([...(rest ? rest.querySelectorAll("tbody > tr") : []), ...body.rows], join));
}

function finder(rows, join) {
  const label = document.createElement("label"), input = document.createElement("input"), said = document.createElement("span");
  label.className = "find";
  input.type = "search";
  said.setAttribute("role", "status");
  label.append("Find ", input, said);
  input.addEventListener("input", () => {
    join();
    const words = input.value.toLocaleLowerCase();
    let shown = 0;
    for (const row of rows) shown += !(row.hidden = !row.cells[0].textContent.toLocaleLowerCase().includes(words));
    said.textContent = words ? `${shown} of ${rows.length}` : "";
  });
  return label;
}

// A link to what is folded unfolds it.
function unfold(hash) {
  const found = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
  for (let one = found; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
}
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link) unfold(link.hash);
});
addEventListener("hashchange", () => unfold(location.hash));
unfold(location.hash);

// Cards can be chosen by what they say.
for (const list of document.querySelectorAll(".find-cards")) {
  const after = list.nextElementSibling;
  let rest = after && after.matches("details.rest") ? after : null;
  const cards = [...list.children, ...(rest ? rest.querySelectorAll("li") : [])];
  const join = () => {
    if (!rest) return;
    list.append(...rest.querySelectorAll("li"));
    rest.remove();
    rest = null;
  };
  if (rest) rest.addEventListener("toggle", join);
  const box = document.createElement("div"), chosen = {}, said = document.createElement("span");
  box.className = "find";
  said.setAttribute("role", "status");
  const filter = () => {
    join();
    let shown = 0;
    for (const card of cards) {
      shown += !(card.hidden = Object.entries(chosen).some(([name, value]) => value !== "" && card.dataset[name] !== value));
    }
    said.textContent = `${shown} of ${cards.length}`;
  };
  for (const [name, title] of [["suggested", "Suggested"], ["class", "For class"], ["why", "Why"]]) {
    const values = [...new Set(cards.map((card) => card.dataset[name]))].filter((value) => value !== "");
    if (values.length < 2) continue;
    const label = document.createElement("label"), select = document.createElement("select");
    values.sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
    select.addEventListener("change", () => {
      chosen[name] = select.value;
      filter();
    });
    label.append(`${title} `, select);
    box.append(label);
  }
  if (box.children.length) {
    box.append(said);
    list.before(box);
  }
}
