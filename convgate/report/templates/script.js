"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const status = document.getElementById("status");
  const details = JSON.parse(document.getElementById("details").textContent);
  const states = { b: "broken", f: "failing", m: "missing", c: "covered", i: "infeasible" };
  document.documentElement.classList.add("with-script");

  // Insert all strings as text, because names come from foreign code.
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // Copying

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = element("textarea", { class: "unseen", readonly: "" });
      area.value = text;
      const focused = document.activeElement;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      focused?.focus({ preventScroll: true });
      return done;
    }
  }

  function copyButton(what) {
    return element("button", { type: "button", class: "copy", "aria-label": `Copy ${what}` }, "Copy");
  }

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.("button.copy");
    if (!button) return;
    const text = button.parentElement.querySelector("code").textContent;
    const done = await copy(text);
    status.textContent = done ? `Copied: ${text}` : "This browser does not allow the page to copy. Select the text instead.";
    button.textContent = done ? "Copied" : "No";
    button.classList.toggle("done", done);
    clearTimeout(button.timer);
    button.timer = setTimeout(() => {
      button.textContent = "Copy";
      button.classList.remove("done");
    }, 2000);
  });

  // Filter by operator

  const radios = all('input[name="operator"]');
  const folded = all("details.map");
  const openAtFirst = folded.map((each) => each.open);

  function show(operator) {
    for (const each of all("[data-operator]")) {
      each.hidden = operator ? each.dataset.operator !== operator : "alone" in each.dataset;
    }
    for (const each of all("[data-all]")) each.hidden = Boolean(operator);
    folded.forEach((each, index) => { each.open = operator ? true : openAtFirst[index]; });
    for (const note of all("[data-when-none]")) {
      const items = all(":scope > [data-operator], tbody > [data-operator]", note.parentElement);
      note.hidden = !items.length || items.some((each) => !each.hidden);
      note.textContent = `None for ${operator}.`;
    }
  }

  for (const radio of radios) {
    radio.addEventListener("change", () => {
      show(radio.value);
      status.textContent = radio.value ? `Showing only ${radio.value}.` : "Showing all operators.";
    });
  }
  show(radios.find((radio) => radio.checked)?.value ?? "");

  // The maps

  function classTable(operator, first, second) {
    const { features, classes, pairs } = details[operator];
    const letters = pairs[`${first} ${second}`].states;
    const wide = classes[second].length;
    const at = (i, j) => states[letters[i * wide + j]];
    // the feature with more classes has the rows
    const [down, across, state] = classes[first].length < wide
      ? [classes[second], classes[first], (i, j) => at(j, i)]
      : [classes[first], classes[second], at];
    const head = element("tr", {}, element("td"), ...across.map((words) => element("th", { scope: "col" }, words)));
    const body = down.map((words, i) => element("tr", {}, element("th", { scope: "row" }, words),
      ...across.map((_, j) => element("td", {},
        element("span", { class: `swatch ${state(i, j)}`, "aria-hidden": "true" }), state(i, j)))));
    return element("table", { class: "classes" },
      element("caption", {}, `${features[first]} and ${features[second]}`),
      element("thead", {}, head), element("tbody", {}, ...body));
  }

  function missing(operator, first, second) {
    const { classes, pairs } = details[operator];
    const { states: letters, specs } = pairs[`${first} ${second}`];
    const wide = classes[second].length;
    const places = [...letters].flatMap((letter, place) => (letter === "m" ? [place] : []));
    return places.map((place, number) => ({
      words: [classes[first][Math.floor(place / wide)], classes[second][place % wide]],
      spec: specs[number],
    }));
  }

  for (const map of folded) {
    const operator = map.dataset.operator;
    const rows = all(".heat tr", map).map((row) => all("button", row));
    const names = all(".heat th", map);
    const place = (button) => {
      const row = button.closest("tr").rowIndex;
      return [rows[row].indexOf(button), row];
    };
    let current = rows[1]?.[0];
    let chosen = null;

    const point = (button) => {
      const [column, row] = place(button);
      names.forEach((name, index) => name.classList.toggle("pointed", index === column || index === row));
      map.querySelector(".readout").textContent = button.getAttribute("aria-label");
    };

    const open = (button) => {
      const [column, row] = place(button);
      chosen?.removeAttribute("aria-current");
      chosen = button;
      chosen.setAttribute("aria-current", "true");
      map.querySelector(".detail").replaceChildren(element("div", { class: "scroll" }, classTable(operator, column, row)));
      status.textContent = `${button.getAttribute("aria-label")}. The table of their classes is after the map.`;
      map.querySelector(".closing").replaceChildren(...missing(operator, column, row).map(({ words, spec }) =>
        element("li", {}, `${words.join(" and ")} would be covered by `,
          element("div", { class: "copyable" }, element("code", {}, spec), copyButton("the spec")))));
    };

    const move = (button) => {
      if (!button) return;
      current.tabIndex = -1;
      current = button;
      current.tabIndex = 0;
      current.focus();
    };

    map.querySelector(".heat").addEventListener("keydown", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const [column, row] = place(button);
      const next = {
        ArrowLeft: () => rows[row][column - 1],
        ArrowRight: () => rows[row][column + 1],
        ArrowUp: () => rows[row - 1]?.[column],
        ArrowDown: () => rows[row + 1]?.[column],
        Home: () => rows[row][0],
        End: () => rows[row].at(-1),
      }[event.key];
      if (!next) return;
      event.preventDefault();
      move(next());
    });
    map.querySelector(".heat").addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (!button) return;
      move(button);
      open(button);
    });
    map.querySelector(".heat").addEventListener("mouseleave", () => chosen && point(chosen));
    for (const kind of ["focusin", "mouseover"]) {
      map.querySelector(".heat").addEventListener(kind, ({ target }) => {
        const button = target.closest("button");
        if (button) point(button);
      });
    }
  }

  // A printed page cannot be unfolded.
  addEventListener("beforeprint", () => folded.forEach((each) => { each.open = true; }));
})();
