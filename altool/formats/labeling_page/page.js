"use strict";
(() => {
  const FEW = 20; // classes that have a button and a key each
  const LISTED = 300; // classes in the list of a search
  const LONGEST = 600; // seconds that one row can take: who takes longer has gone away
  const KEYS = "123456789abcdefghijk";
  const OWN = /^[0-9a-z]$/; // classes that are called like a key have it, lest it choose another
  const UPDATE = 1; // of what is kept in the browser

  const element = (id) => document.getElementById(id);
  const data = JSON.parse(element("data").textContent);
  const rows = data.rows;
  if (rows.length === 0) {
    element("notice").textContent = "This round has no rows.";
    element("notice").hidden = false;
    document.querySelector("main").hidden = true;
    return;
  }
  const store = "altool:" + element("data").dataset.digest;
  const closed = data.classes.length > 0; // else classes may be typed

  const answers = new Map(); // by row: {label (null: skipped), seconds, at, by}
  let done = []; // for undo: [row, its answer before]
  let typed = []; // classes of answers that no list has, in the order in which they were typed
  const spent = rows.map(() => 0); // milliseconds with the row before one's eyes
  let place = 0;
  let since = null; // when the row came before one's eyes
  let active = -1; // of the options in the list
  let options = [];
  let kept = true; // does the browser keep the answers?
  let unsaved = false; // answers that are neither kept nor downloaded

  // What the browser keeps

  function text(value, longest) {
    return typeof value === "string" && value.length <= longest;
  }

  function isAnswer(entry) {
    if (!Array.isArray(entry) || entry.length !== 5) return false;
    const [row, label, seconds, at, by] = entry;
    return (
      Number.isInteger(row) && row >= 0 && row < rows.length &&
      (label === null || (closed ? data.classes.includes(label) : text(label, 500) && label.trim() !== "" && refusal(label) === "")) &&
      typeof seconds === "number" && seconds >= 0 && seconds <= LONGEST &&
      text(at, 30) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(at) && !Number.isNaN(Date.parse(at)) &&
      text(by, 100)
    );
  }

  function load() {
    let content = null;
    try {
      content = localStorage.getItem(store);
    } catch {
      kept = false;
    }
    answers.clear();
    if (content === null) return 0;
    let entries = null;
    try {
      const found = JSON.parse(content);
      if (found !== null && found.version === UPDATE && Array.isArray(found.answers)) entries = found.answers;
    } catch {
      // no JSON
    }
    if (entries === null) return 1;
    const good = entries.filter(isAnswer);
    good.sort((one, other) => (one[3] < other[3] ? -1 : one[3] > other[3] ? 1 : 0));
    for (const [row, label, seconds, at, by] of good) {
      answers.set(row, { label, seconds, at, by });
      spent[row] = Math.max(spent[row], seconds * 1000);
    }
    done = [...answers.keys()].map((row) => [row, undefined]);
    typed = closed ? [] : [...new Set([...answers.values()].map((answer) => answer.label).filter((label) => label !== null))];
    return entries.length - good.length;
  }

  function save() {
    const entries = [...answers].map(([row, answer]) => [row, answer.label, answer.seconds, answer.at, answer.by]);
    kept = keep(store, JSON.stringify({ version: UPDATE, answers: entries }));
    unsaved = !kept;
    if (!kept) notice("This browser does not keep your answers. Download them before you close the page.");
  }

  function keep(name, value) {
    try {
      localStorage.setItem(name, value);
      return true;
    } catch {
      return false;
    }
  }

  function setting(name, longest) {
    try {
      const value = localStorage.getItem("altool:" + name);
      return text(value, longest) ? value : "";
    } catch {
      return "";
    }
  }

  // Classes

  function classes() {
    if (closed) return data.classes;
    const used = new Set([...answers.values()].map((answer) => answer.label));
    typed = typed.filter((name) => used.has(name));
    const suggested = rows[place].suggestion;
    return suggested === undefined || typed.includes(suggested) ? typed : [...typed, suggested];
  }

  /* {key: class}, for at most FEW classes. */
  function keys() {
    const found = new Map();
    const own = classes().filter((name) => OWN.test(name.toLowerCase()) && !found.has(name.toLowerCase()) && found.set(name.toLowerCase(), name));
    const free = [...KEYS].filter((key) => !found.has(key));
    classes().forEach((name) => {
      if (!own.includes(name)) found.set(free.shift(), name);
    });
    return found;
  }

  function fold(name) {
    return name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  }

  function same(name) {
    return name.normalize("NFC").trim().toLowerCase();
  }

  /* Why a typed text cannot be a class, in words; empty if it can: import-labels reads some as something else. */
  function refusal(name) {
    if (["?", "skip"].includes(name.trim().toLowerCase())) return `“${name.trim()}” stands for a skip. Press Skip instead.`;
    if (/^\s*[[{]/.test(name)) return "A class cannot begin with a bracket.";
    if (/[\p{Cc}\p{Cs}]/u.test(name)) return "A class cannot hold a control character.";
    if (/^[\s\p{Z}\p{Cf}]*$/u.test(name)) return "A class needs a name.";
    return "";
  }

  function preselected() {
    const answer = answers.get(place);
    if (answer !== undefined) return answer.label;
    const suggested = rows[place].suggestion;
    return suggested !== undefined && classes().includes(suggested) ? suggested : null;
  }

  /* The classes that fit what is typed, best first; the suggested one before others that fit as well. */
  function matches(typing) {
    const first = preselected();
    const wanted = fold(typing.trim());
    const ranked = [];
    classes().forEach((name, order) => {
      const folded = fold(name);
      const at = folded.indexOf(wanted);
      const word = at >= 0 && (at === 0 || /[^\p{L}\p{N}]/u.test(folded[at - 1]));
      const rank = name === typing.trim() ? 0 : folded === wanted ? 1 : at === 0 ? 2 : word ? 3 : at > 0 ? 4 : 5;
      if (wanted === "" || rank < 5) ranked.push([wanted === "" ? 0 : rank, name === first ? 0 : 1, order, name]);
    });
    ranked.sort((one, other) => one[0] - other[0] || one[1] - other[1] || one[2] - other[2]);
    const found = ranked.map((entry) => ({ label: entry[3], fresh: false }));
    if (!closed && typing.trim() !== "" && !classes().some((name) => same(name) === same(typing))) {
      const near = ranked.length > 0 && ranked[0][0] <= 3;
      found.splice(near ? found.length : 0, 0, { label: typing.trim(), fresh: true });
    }
    return found;
  }

  // Answering

  function watch(on) {
    const now = performance.now();
    if (since !== null) spent[place] = Math.min(LONGEST * 1000, spent[place] + now - since);
    since = on && document.visibilityState === "visible" ? now : null;
  }

  function answer(label) {
    watch(false);
    done.push([place, answers.get(place)]);
    answers.delete(place); // the last answer is the last of the map
    const seconds = Math.round(spent[place] / 100) / 10;
    answers.set(place, { label, seconds, at: new Date().toISOString(), by: element("name").value.trim() });
    if (!closed && label !== null && !typed.includes(label)) typed.push(label);
    save();
    const what = label === null ? `Row ${place + 1} skipped.` : `Row ${place + 1}: ${label}.`;
    const next = openRow(place);
    show(next === null ? place : next, what);
  }

  function create(name) {
    const label = name.trim();
    const known = classes().find((other) => same(other) === same(label));
    if (known !== undefined) return answer(known);
    const why = refusal(label);
    if (why !== "") return say(why);
    return answer(label);
  }

  function confirm() {
    const found = answers.get(place);
    if (found !== undefined) {
      const next = openRow(place);
      return show(next === null ? Math.min(place + 1, rows.length - 1) : next, `Row ${place + 1} stays as it is.`);
    }
    const label = preselected();
    return label === null ? say("This row has no suggestion. Choose a class.") : answer(label);
  }

  function undo() {
    if (done.length === 0) return say("No answer to take back.");
    const [row, before] = done.pop();
    if (before === undefined) answers.delete(row);
    else answers.set(row, before);
    save();
    return show(row, `The answer to row ${row + 1} is taken back.`);
  }

  /* The first row without an answer behind this one, from the beginning on after the end; null if all are answered. */
  function openRow(from) {
    for (let step = 1; step <= rows.length; step += 1) {
      const row = (from + step) % rows.length;
      if (!answers.has(row)) return row;
    }
    return null;
  }

  function step(by) {
    const next = place + by;
    if (next >= 0 && next < rows.length) show(next, "");
    else say(by < 0 ? "This is the first row." : "This is the last row.");
  }

  // Showing

  function make(tag, content, className) {
    const made = document.createElement(tag);
    if (content !== undefined) made.textContent = content;
    if (className) made.className = className;
    return made;
  }

  function say(what) {
    element("said").textContent = what;
  }

  function notice(what) {
    element("notice").textContent = what;
    element("notice").hidden = what === "";
  }

  function counted(number, one, many) {
    return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
  }

  function show(row, what) {
    watch(false);
    place = row;
    watch(true);
    const shown = rows[place];
    element("place").textContent = `Row ${place + 1} of ${rows.length}`;
    element("ident").textContent = shown.id;
    const image = element("image");
    if (shown.picture !== undefined && image.getAttribute("src") !== shown.picture) {
      image.classList.remove("tiny");
      image.src = shown.picture;
    }
    image.alt = `Picture of row ${place + 1}`;
    element("picture").hidden = shown.picture === undefined;
    element("text").hidden = shown.text === undefined;
    element("text").textContent = shown.text === undefined ? "" : shown.text;
    element("text").scrollTop = 0;
    const missing = shown.text === undefined ? "This row" : "The picture of this row";
    element("fault").hidden = shown.fault === undefined;
    element("fault").textContent = shown.fault === undefined ? "" : `${missing} cannot be shown (${shown.fault}). Skip it if you cannot tell.`;
    progress();
    choices();
    const open = rows.length - answers.size;
    say(open === 0 ? `${what} All rows are answered. Download the answers, and send the file back.`.trim() : what);
    focus();
  }

  function progress() {
    const skipped = [...answers.values()].filter((answer) => answer.label === null).length;
    element("bar").max = rows.length;
    element("bar").value = answers.size;
    const open = rows.length - answers.size;
    element("count").textContent =
      `${answers.size} of ${rows.length} answered` + (skipped ? `, ${skipped} skipped` : "") + (open ? `, ${open} open` : "");
    document.body.classList.toggle("finished", open === 0);
    element("undo").disabled = done.length === 0;
    element("back").disabled = place === 0;
    element("on").disabled = place === rows.length - 1;
    element("open").disabled = openRow(place) === null || (open === 1 && !answers.has(place));
    const skip = answers.get(place);
    element("skip").setAttribute("aria-pressed", String(skip !== undefined && skip.label === null));
  }

  function percent() {
    const found = rows[place].probability;
    return found === undefined ? "suggested" : `suggested, ${Math.round(found * 100)} %`;
  }

  function mark(target, label) {
    const given = answers.get(place);
    const chosen = given !== undefined && given.label === label;
    const suggested = rows[place].suggestion === label;
    target.classList.toggle("suggested", suggested);
    target.classList.toggle("chosen", chosen);
    if (suggested || chosen) target.append(make("small", [chosen ? "your answer" : "", suggested ? percent() : ""].filter(Boolean).join(", ")));
    return chosen;
  }

  function many() {
    return classes().length > FEW;
  }

  function choices() {
    const few = !many();
    element("choices").hidden = !few || classes().length === 0;
    element("searching").hidden = few;
    element("adding").hidden = closed || !few;
    element("added").value = "";
    element("search").value = "";
    element("searchlabel").textContent = closed ? "Find a class" : "Find a class, or type a new one";
    if (few) {
      const byClass = new Map([...keys()].map(([key, label]) => [label, key.toUpperCase()]));
      element("choices").replaceChildren(
        ...classes().map((label) => {
          const button = make("button");
          button.type = "button";
          button.append(make("kbd", byClass.get(label)), make("span", label));
          button.lastChild.dir = "auto";
          button.setAttribute("aria-keyshortcuts", byClass.get(label));
          button.setAttribute("aria-pressed", String(mark(button, label)));
          button.addEventListener("click", () => answer(label));
          return button;
        }),
      );
    } else {
      list();
    }
    element("choosekeys").textContent = few ? "digits, letters" : "letters";
    element("choosewhat").textContent = few ? "choose the class with that key" : "find a class; ↑ and ↓ go through the list";
    element("enterwhat").textContent = few ? "take the suggestion" : "take the first class that is found, or the suggestion";
    element("undokey").hidden = !few;
  }

  function list() {
    const typing = element("search").value;
    options = matches(typing);
    const all = options.length;
    options = options.slice(0, LISTED);
    active = all > 0 && (typing.trim() !== "" || preselected() !== null) ? 0 : -1;
    element("found").replaceChildren(
      ...options.map((option, order) => {
        const item = make("li");
        item.id = `option-${order}`;
        item.setAttribute("role", "option");
        const name = make("span", option.fresh ? `New class: ${option.label}` : option.label);
        name.dir = "auto";
        item.append(name);
        mark(item, option.label);
        item.addEventListener("click", () => take(option));
        return item;
      }),
    );
    element("more").hidden = all > 0 && all <= LISTED;
    element("more").textContent = all === 0 ? "No class is called so." : `${counted(all - LISTED, "more class", "more classes")}: type to find them.`;
    point();
  }

  function point() {
    [...element("found").children].forEach((item, order) => {
      item.setAttribute("aria-selected", String(order === active));
      if (order === active) item.scrollIntoView({ block: "nearest" });
    });
    if (active >= 0) element("search").setAttribute("aria-activedescendant", `option-${active}`);
    else element("search").removeAttribute("aria-activedescendant");
  }

  function take(option) {
    if (option.fresh) create(option.label);
    else answer(option.label);
  }

  function focus() {
    const finger = window.matchMedia("(pointer: coarse)").matches; // a field with the focus opens a keyboard over the page
    if (!finger && many()) element("search").focus({ preventScroll: true });
    else if (!finger && !closed && classes().length === 0) element("added").focus({ preventScroll: true });
    else element("stage").focus({ preventScroll: true });
  }

  // Download

  const BLANK = /[\p{C}\p{Z}\p{M}\u115f\u1160\u2800\u3164\uffa0]/u;

  /* As altool's own CSV: what a spreadsheet might take for a formula gets an apostrophe, which import-labels takes away. */
  function isFormula(value) {
    const bare = value.replace(/^'+/, "");
    if (/^[\t\r]/.test(bare)) return true;
    const first = [...bare].find((character) => !BLANK.test(character));
    return first !== undefined && "=+-@\u2212".includes([...first.normalize("NFKC")][0]);
  }

  function cell(value) {
    const guarded = isFormula(value) ? "'" + value : value;
    return /[",\r\n]/.test(guarded) ? '"' + guarded.replaceAll('"', '""') + '"' : guarded;
  }

  function sheet() {
    const name = element("name").value.trim();
    const lines = rows.map((row, position) => {
      const given = answers.get(position);
      const said =
        given === undefined
          ? ["", "", "", "", ""]
          : [given.label === null ? "" : given.label, given.label === null ? "skipped" : "labeled", given.seconds.toFixed(1), given.at, given.by || name];
      return [row.id, String(row.round), String(row.rank), ...said];
    });
    return [data.columns, ...lines].map((line) => line.map(cell).join(",") + "\n").join("");
  }

  function download() {
    const open = rows.length - answers.size;
    const who = element("name").value.trim().toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([sheet()], { type: "text/csv;charset=utf-8" }));
    link.download = `${data.answers}${who ? "-" + who : ""}.csv`;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    unsaved = false;
    const told = `${counted(answers.size, "answer", "answers")} in ${link.download}.`;
    const then = open ? `${counted(open, "row is", "rows are")} still open: go on, and download again.` : "Send this file back.";
    const unsigned = !who && [...answers.values()].some((given) => given.by === "");
    say(`${told} ${then}${unsigned ? " Type your name at the top to sign your answers." : ""}`);
  }

  // Keys

  function pressed(event) {
    if (event.key.length !== 1) return event.key;
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
    if (digit && !event.shiftKey) return digit[1]; // where digits need shift
    const letter = /^Key([A-Z])$/.exec(event.code);
    return (event.key > "\u007f" && letter ? letter[1] : event.key).toLowerCase(); // where letters are not Latin
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const field = target.closest("input:not([type=checkbox])");
    const writing = field !== null && field.value !== "";
    const key = pressed(event);
    const act = (what) => {
      event.preventDefault();
      if (!event.repeat || key.startsWith("Arrow")) what();
    };
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && key === "z") {
      if (!writing) act(undo);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (field === element("name")) {
      if (key === "Enter") act(focus);
      return;
    }
    if (field === element("added") && (writing || key === "Enter")) return; // the form's
    if (field === element("search")) {
      if (key === "Escape") return act(() => { field.value = ""; list(); });
      if (key === "ArrowDown" || key === "ArrowUp") {
        return act(() => {
          active = Math.max(0, Math.min(options.length - 1, active + (key === "ArrowDown" ? 1 : -1)));
          point();
        });
      }
      if (key === "Enter") {
        return act(() => {
          if (!writing && answers.has(place) && active <= 0) confirm();
          else if (active >= 0) take(options[active]);
          else say(writing ? "No class is called so." : "This row has no suggestion. Type to find a class.");
        });
      }
      if (writing) return;
    }
    const pressable = target.closest("button, a, summary, input[type=checkbox]");
    if (pressable && (key === "Enter" || key === " ")) return;
    if (key === "ArrowLeft") return act(() => step(-1));
    if (key === "ArrowRight") return act(() => step(1));
    if (key === "Enter") return act(confirm);
    if (key === " ") return act(() => answer(null));
    if (many()) {
      if (field === null && key.length === 1) element("search").focus({ preventScroll: true }); // which gets the letter
      return;
    }
    if (field !== null || key.length !== 1 || event.shiftKey || !element("keys").checked) return;
    const chosen = keys().get(key);
    if (chosen !== undefined) return act(() => answer(chosen));
    if (key === "u") return act(undo);
    if (!closed && key === "n") act(() => element("added").focus());
  });

  // Beginning

  element("back").addEventListener("click", () => step(-1));
  element("on").addEventListener("click", () => step(1));
  element("skip").addEventListener("click", () => answer(null));
  element("undo").addEventListener("click", undo);
  element("open").addEventListener("click", () => show(openRow(place) === null ? place : openRow(place), ""));
  element("download").addEventListener("click", download);
  element("search").addEventListener("input", list);
  element("adding").addEventListener("submit", (event) => {
    event.preventDefault();
    if (element("added").value.trim() === "") confirm();
    else create(element("added").value);
  });
  element("name").addEventListener("change", () => keep("altool:annotator", element("name").value.trim()));
  element("keys").addEventListener("change", () => keep("altool:keys", element("keys").checked ? "on" : "off"));
  element("image").addEventListener("load", (event) => {
    const image = event.target;
    image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= 64); // each pixel is to be seen
  });
  document.addEventListener("visibilitychange", () => watch(true));
  window.addEventListener("storage", (event) => {
    if (event.key !== store) return; // the page is open twice
    load();
    show(place, "Answers were given in another window.");
  });
  window.addEventListener("beforeunload", (event) => {
    if (unsaved) event.preventDefault();
  });

  element("name").value = setting("annotator", 100);
  element("keys").checked = setting("keys", 3) !== "off";
  const lost = load();
  if (!kept) notice("This browser does not keep your answers. Download them before you close the page.");
  else if (lost) notice(`${counted(lost, "answer", "answers")} that this browser kept cannot be read, and ${lost === 1 ? "is" : "are"} left out.`);
  const first = openRow(rows.length - 1);
  show(first === null ? 0 : first, answers.size ? "Your answers so far are here." : "");
})();
