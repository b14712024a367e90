// Draws the plots when they come into view, follows the theme, and makes tables sortable and filterable.
(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("plot-data").textContent);
  const root = document.documentElement;
  const FIRST_ROWS = 100;
  const drawn = new Map();

  // The theme: the reader's choice, else the system's. Storage is closed to a page in a sandbox.
  const kept = { get() { try { return localStorage.getItem("hico-report-theme"); } catch { return null; } },
                 set(theme) { try { localStorage.setItem("hico-report-theme", theme); } catch { /* not kept */ } } };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const toggle = document.getElementById("theme");
  const show = (theme) => {
    root.dataset.theme = theme;
    toggle.setAttribute("aria-pressed", String(theme === "dark"));
    toggle.textContent = theme === "dark" ? "Light" : "Dark";
    toggle.setAttribute("aria-label", theme === "dark" ? "show in light colours" : "show in dark colours");
    drawn.forEach((redraw) => redraw());
  };
  toggle.addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    kept.set(theme);
    show(theme);
  });
  system.addEventListener("change", () => { if (!kept.get()) show(system.matches ? "dark" : "light"); });
  show(kept.get() || (system.matches ? "dark" : "light"));

  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  /** A copy in which "var(--NAME)" is the theme's colour. */
  const themed = (value) => {
    if (typeof value === "string") return value.startsWith("var(--") ? colour(value.slice(4, -1)) : value;
    if (Array.isArray(value)) return value.length > 4 && typeof value.find((one) => one !== null) === "number" ? value : value.map(themed);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v)]));
    return value;
  };
  const axis = () => ({ gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--muted"),
                        tickcolor: colour("--muted"), title: { standoff: 8, font: { size: 12.5 } } });
  const template = () => ({ layout: {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: colour("--ink") },
    xaxis: axis(), yaxis: axis(), margin: { l: 56, r: 16, t: 14, b: 48 },
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--muted"), font: { color: colour("--ink") } },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 }, bgcolor: "rgba(0,0,0,0)" },
    ternary: { bgcolor: "rgba(0,0,0,0)", aaxis: axis(), baxis: axis(), caxis: axis() },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--muted"), activecolor: colour("--accent") },
  } });
  const config = { responsive: true, displaylogo: false, doubleClick: "reset",
                   modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d", "hoverClosestCartesian", "hoverCompareCartesian"] };
  const react = (div, data, layout) => Plotly.react(div, themed(data), { ...themed(layout), template: template() }, config);

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => { if (value !== undefined) made.setAttribute(key, value); });
    made.append(...children);
    return made;
  };

  /** A click on a point with a trial's number shows the trial in the table. */
  const linkTrials = (div) => div.on("plotly_click", (event) => {
    const number = event.points[0]?.customdata;
    const search = /^(s\d+-)/.exec(div.dataset.plot)?.[1] ?? "";
    if (Number.isInteger(number)) reveal(document.getElementById(`${search}trial-${number}`));
  });
  const reveal = (row) => {
    if (!row) return;
    row.hidden = false;
    document.querySelectorAll("tr.found").forEach((one) => one.classList.remove("found"));
    row.classList.add("found");
    row.scrollIntoView({ block: "center" });
  };

  const composers = {
    plotly(div, figure) {
      let view = figure.views[0];
      const draw = () => {
        const data = view ? figure.data.map((trace, i) => ({ ...trace, x: view.x[i] })) : figure.data;
        const layout = view ? { ...figure.layout, shapes: view.shapes ?? [],
                                xaxis: { ...figure.layout.xaxis, title: { text: view.title } } } : figure.layout;
        return react(div, data, layout);
      };
      if (figure.views.length > 1) {
        const group = element("fieldset", {}, element("legend", {}, "Across:"));
        figure.views.forEach((one, i) => {
          const input = element("input", { type: "radio", name: `${div.id}-view`, value: i, checked: i ? undefined : "" });
          input.addEventListener("change", () => { view = one; draw(); });
          group.append(element("label", {}, input, ` ${one.name}`));
        });
        controls(div).append(group);
      }
      return draw;
    },

    // Lines over parallel axes, in ten colours of the score. Dragging along an axis keeps the lines that pass there.
    parallel(div, figure) {
      const { axes, score, trial, whole, title } = figure.data;
      const ranges = new Map();
      const low = Math.min(...score), high = Math.max(...score), BINS = 10, MISSING = -0.1;
      const scale = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
      const bin = (value) => Math.min(BINS - 1, Math.floor(BINS * (value - low) / ((high - low) || 1)));
      const passes = (i) => [...ranges].every(([a, [from, to]]) => {
        const at = axes[a].at[i] ?? MISSING;
        return at >= from && at <= to;
      });
      const draw = () => {
        const groups = new Map();
        score.forEach((value, i) => {
          const shown = passes(i), key = shown ? `${bin(value)}${whole[i] ? "" : "-"}` : "out";
          if (!groups.has(key)) groups.set(key, { shown, whole: whole[i], bin: bin(value), x: [], y: [], n: [] });
          const line = groups.get(key);
          axes.forEach((one, a) => { line.x.push(a); line.y.push(one.at[i] ?? MISSING); line.n.push(trial[i]); });
          line.x.push(null); line.y.push(null); line.n.push(null);
        });
        const many = score.length > 200;
        const data = [...groups.values()].sort((a, b) => (a.shown ? a.bin : -1) - (b.shown ? b.bin : -1)).map((line) => ({
          type: "scatter", mode: "lines+markers", x: line.x, y: line.y, customdata: line.n, showlegend: false,
          line: { color: line.shown ? scale[line.bin] : colour("--muted"), width: line.shown ? (many ? 1 : 2) : 0.5,
                  dash: line.whole || many ? "solid" : "dot" },
          marker: { size: many ? 1 : 5, color: line.shown ? scale[line.bin] : colour("--muted") },
          opacity: line.shown ? (many ? 0.6 : 0.95) : 0.25, hoverinfo: line.shown ? undefined : "skip",
          hovertemplate: line.shown ? "trial %{customdata}<extra></extra>" : undefined,
        }));
        data.push({ type: "scatter", mode: "markers", x: [null], y: [null], showlegend: false, hoverinfo: "skip",
          marker: { color: [low], cmin: low, cmax: high, colorscale: scale.map((one, i) => [i / (BINS - 1), one]), showscale: true,
                    colorbar: { title: { text: title, side: "right" }, thickness: 10, outlinewidth: 0 } } });
        const annotations = axes.flatMap((one, a) => [
          { x: a, y: 1.06, yanchor: "bottom", text: `<b>${wrapped(escaped(one.label).replace(": ", "<br>"))}</b>`, showarrow: false },
          ...one.ticks.map(([at, text]) => ({ x: a, y: at, xanchor: "left", xshift: 5, text: escaped(text), showarrow: false,
                                              font: { size: 11, color: colour("--soft") }, bgcolor: colour("--card"), opacity: 0.85 })),
          ...(one.at.includes(null) ? [{ x: a, y: MISSING, xanchor: "left", xshift: 5, text: "not used", showarrow: false,
                                         font: { size: 11, color: colour("--soft") } }] : []),
        ]);
        const shapes = axes.flatMap((one, a) => [
          { type: "line", x0: a, x1: a, y0: one.at.includes(null) ? MISSING : 0, y1: 1, line: { color: colour("--muted"), width: 1.5 }, layer: "below" },
          ...(ranges.has(a) ? [{ type: "rect", x0: a - 0.06, x1: a + 0.06, y0: ranges.get(a)[0], y1: ranges.get(a)[1],
                                 line: { width: 0 }, fillcolor: colour("--accent"), opacity: 0.25 }] : []),
        ]);
        return react(div, data, {
          dragmode: "select", selectdirection: "v", hovermode: "closest", annotations, shapes, selections: [],
          xaxis: { visible: false, range: [-0.5, axes.length - 0.5], fixedrange: true },
          yaxis: { visible: false, range: [axes.some((one) => one.at.includes(null)) ? -0.18 : -0.06, 1.22], fixedrange: true },
          margin: { l: 10, r: 10, t: 10, b: 10 },
          newselection: { line: { color: colour("--accent"), width: 1 } },
        });
      };
      div.addEventListener("drawn", () => {
        let from = null;
        const axisAt = (event) => {
          const box = div.querySelector(".nsewdrag").getBoundingClientRect(), x = div._fullLayout.xaxis, y = div._fullLayout.yaxis;
          return { a: Math.round(x.p2l(event.clientX - box.left)), y: y.p2l(event.clientY - box.top) };
        };
        div.addEventListener("pointerdown", (event) => { from = axisAt(event); }, true);
        window.addEventListener("pointerup", (event) => {
          if (!from) return;
          const to = axisAt(event), a = from.a, ends = [from.y, to.y].sort((m, n) => m - n);
          from = null;
          if (a < 0 || a >= axes.length || ends[1] - ends[0] < 0.02) return;
          ranges.set(a, ends);
          setTimeout(() => { draw(); tell(); });
        });
        div.on("plotly_doubleclick", () => { ranges.clear(); setTimeout(() => { draw(); tell(); }); return false; });
      });
      const clear = element("button", { type: "button", hidden: "" }, "Show all lines");
      const said = element("output", { "aria-live": "polite" });
      const tell = () => {
        const left = score.filter((_, i) => passes(i)).length;
        clear.hidden = !ranges.size;
        said.textContent = ranges.size ? `${left} of ${score.length} trials` : "";
        best.value = String(ranges.has(axes.length - 1) && left ? left : score.length);
      };
      // The same without a mouse: only the best so many trials.
      const best = element("input", { type: "range", min: 1, max: score.length, value: score.length });
      const ranked = axes[axes.length - 1].at.slice().sort((m, n) => n - m);
      best.addEventListener("input", () => {
        const count = Number(best.value);
        if (count >= score.length) ranges.delete(axes.length - 1);
        else ranges.set(axes.length - 1, [ranked[count - 1], 1]);
        draw();
        clear.hidden = !ranges.size;
        said.textContent = ranges.size ? `${score.filter((_, i) => passes(i)).length} of ${score.length} trials` : "";
      });
      clear.addEventListener("click", () => { ranges.clear(); draw(); tell(); });
      controls(div).append(element("label", {}, "Only the best ", best), clear, said);
      return draw;
    },

    // Any two parameters; the reader chooses them.
    pairs(div, figure) {
      const { columns, trial, marker } = figure.data;
      const choose = (name, chosen) => {
        const made = element("select", { "aria-label": `${name} axis` });
        columns.forEach((one, i) => made.append(element("option", { value: i, selected: i === chosen ? "" : undefined }, one.label)));
        made.addEventListener("change", () => draw());
        controls(div).append(element("label", {}, `${name} `, made));
        return made;
      };
      const draw = () => {
        const [x, y] = [columns[across.value], columns[up.value]];
        const side = (one) => ({ title: { text: one.label }, type: one.type, automargin: true, ...one.axis,
                                 ...(one.type === "category" ? { categoryorder: "category ascending" } : {}) });
        return react(div, [{ type: "scatter", mode: "markers", x: x.values, y: y.values, customdata: trial, marker,
          hovertemplate: `trial %{customdata}: %{marker.color:.1f} %<br>${escaped(x.label)} %{x}<br>${escaped(y.label)} %{y}<extra></extra>` }],
          { xaxis: side(x), yaxis: side(y), hovermode: "closest" });
      };
      const across = choose("Across", 0), up = choose("Up", 1);
      return draw;
    },
  };
  // A name in lines of some twelve characters, broken after a space or an underscore: axes stand 110 pixels apart.
  const wrapped = (text) => text.split("<br>").map((line) => line.split(/(?<=[_ ])/).reduce((lines, part) => {
    const last = lines[lines.length - 1];
    return last !== undefined && (last + part).trimEnd().length <= 12 ? [...lines.slice(0, -1), last + part] : [...lines, part];
  }, []).join("<br>")).join("<br>");
  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const controls = (div) => document.querySelector(`[data-controls="${CSS.escape(div.dataset.plot)}"]`);

  const open = (div) => {
    if (drawn.has(div.id)) return;
    const figure = figures[div.dataset.plot];
    const draw = composers[figure.kind](div, figure);
    drawn.set(div.id, draw);
    const done = draw();
    linkTrials(div);
    div.dispatchEvent(new Event("drawn"));
    done.then(() => { div.dataset.drawn = "yes"; });
  };
  const plots = [...document.querySelectorAll("[data-plot]")];
  const watch = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    watch.unobserve(entry.target);
    open(entry.target);
  }), { rootMargin: "300px" });
  plots.forEach((div) => watch.observe(div));

  // On paper: every plot, in light colours.
  let before = null;
  addEventListener("beforeprint", () => { before = root.dataset.theme; plots.forEach(open); show("light"); });
  addEventListener("afterprint", () => { if (before) show(before); before = null; });

  // Tables: a heading sorts, once more the other way round; empty cells come last.
  const value = (row, column) => row.cells[column].textContent.trim();
  const order = (a, b) => {
    const [m, n] = [parseFloat(a.replace(/,/g, "")), parseFloat(b.replace(/,/g, ""))];
    return Number.isNaN(m) || Number.isNaN(n) ? a.localeCompare(b) : m - n;
  };
  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = element("button", { type: "button" });
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending" || (head.getAttribute("aria-sort") === "none" && !head.classList.contains("text"));
        heads.forEach((one) => one.hasAttribute("aria-sort") && one.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => [value(row, column), row]);
        rows.sort(([a], [b]) => (a === "") - (b === "") || (down ? -1 : 1) * order(a, b));
        table.tBodies[0].append(...rows.map(([, row]) => row));
        table.dispatchEvent(new Event("sorted"));
      });
    });
  });

  // The table of trials: what is found, in the states that are ticked, at first not more than fit at once.
  document.querySelectorAll("[data-filter]").forEach((filter) => {
    const table = document.getElementById(filter.dataset.filter), body = table.tBodies[0];
    const search = filter.querySelector("input[type=search]"), boxes = [...filter.querySelectorAll("input[type=checkbox]")];
    const said = filter.querySelector("output"), more = filter.querySelector(".more");
    const texts = new Map([...body.rows].map((row) => [row, row.textContent.toLowerCase()]));
    let all = false;
    const apply = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean), states = new Set(boxes.filter((one) => one.checked).map((one) => one.value));
      let found = 0, shown = 0;
      for (const row of body.rows) {
        const fits = states.has(row.cells[1].textContent.trim()) && words.every((word) => texts.get(row).includes(word));
        found += fits;
        row.hidden = !fits || (!all && shown >= FIRST_ROWS);
        shown += !row.hidden;
      }
      said.textContent = `${shown.toLocaleString("en")} of ${texts.size.toLocaleString("en")} trials` + (shown < found ? ` (${found.toLocaleString("en")} fit)` : "");
      more.hidden = shown === found;
    };
    more.addEventListener("click", () => { all = true; apply(); });
    search.addEventListener("input", apply);
    boxes.forEach((one) => one.addEventListener("change", apply));
    table.addEventListener("sorted", apply);
    filter.hidden = boxes.length === 0;
    apply();
  });
  addEventListener("hashchange", () => { const row = document.getElementById(location.hash.slice(1)); if (row?.tagName === "TR") reveal(row); });

  // The section in view is marked in the list.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const spy = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    links.forEach((link) => { link.classList.remove("here"); link.removeAttribute("aria-current"); });
    links.get(entry.target.id)?.classList.add("here");
    links.get(entry.target.id)?.setAttribute("aria-current", "true");
  }), { rootMargin: "-60px 0px -70% 0px" });
  links.forEach((_, id) => { const heading = document.getElementById(id); if (heading) spy.observe(heading); });
})();
