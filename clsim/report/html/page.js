"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // The plotting library is in the page, compressed.
  async function unpacked() {
    const packed = document.getElementById("library").textContent.trim();
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    return window.Plotly;
  }

  // A phone has no room for buttons.
  const NARROW = window.matchMedia("(max-width: 40rem)").matches;
  const FRAME = {
    // Buttons in the right margin, one below another, cover neither legend nor curves.
    margin: { l: 62, r: NARROW ? 12 : 40, t: 12, b: 48 },
    modebar: { orientation: "v", bgcolor: "rgba(0,0,0,0)", color: "#8a8f98", activecolor: "#3070b8" },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hovermode: "closest",
    font: { family: "system-ui, sans-serif", size: 13 },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    hoverlabel: { font: { color: "#ffffff" }, namelength: -1 },
  };
  const BUTTONS = {
    displayModeBar: NARROW ? false : "hover",
    displaylogo: false,
    responsive: true,
    // The last one would upload a chart: a report sends nothing.
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d", "sendChartToCloud"],
    toImageButtonOptions: { format: "svg" },
  };

  function draw(plot) {
    const { data, layout } = JSON.parse(plot.nextElementSibling.textContent);
    window.Plotly.newPlot(plot, data, { ...FRAME, ...layout }, BUTTONS);
    walkable(plot, data);
  }

  // Arrow keys: left and right along a line, up and down between lines. Screen readers announce the point.
  function walkable(plot, data) {
    let line = 0, point = -1;
    const announced = plot.parentElement.querySelector(".announced");
    const known = (number) => data[line].y[number] !== null && data[line].y[number] !== undefined;
    const step = (by) => {
      let next = point + by;
      while (next >= 0 && next < data[line].x.length && !known(next)) next += by;
      if (next >= 0 && next < data[line].x.length) point = next;
    };
    const show = () => {
      if (point < 0 || !known(point)) return;
      const { title } = plot.layout.xaxis, text = plot.layout.yaxis.tickformat === "~%"
        ? `${(100 * data[line].y[point]).toFixed(2)}%` : String(data[line].y[point]);
      const name = new DOMParser().parseFromString(data[line].name, "text/html").documentElement.textContent;
      const bounds = data[line].customdata?.[point] ?? "";
      announced.textContent = `${name}, ${title.text} ${data[line].x[point]}: ${text}${bounds}`;
      window.Plotly.Fx.hover(plot, [{ curveNumber: line, pointNumber: point }]);
    };
    plot.addEventListener("keydown", (event) => {
      const turn = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (turn) {
        line = (line + turn + data.length) % data.length;
        point = Math.min(Math.max(point, 0), data[line].x.length - 1);
        if (!known(point)) step(1);
      } else if (event.key === "ArrowRight") step(1);
      else if (event.key === "ArrowLeft") step(-1);
      else return;
      event.preventDefault();
      show();
    });
    plot.addEventListener("blur", () => { window.Plotly.Fx.unhover(plot); announced.textContent = ""; });
  }

  // Charts are drawn when their panel is shown: a hidden one has no width.
  function drawIn(panel) {
    if (!window.Plotly) return;
    for (const plot of all(".plot", panel)) {
      if (plot.dataset.drawn) window.Plotly.Plots.resize(plot);
      else {
        plot.dataset.drawn = "yes";
        draw(plot);
      }
    }
  }

  const tabs = all("[role=tab]"), panels = all(".panel");

  function choose(tab, focus) {
    for (const each of tabs) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", String(chosen));
      each.tabIndex = chosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
    drawIn(document.getElementById(tab.getAttribute("aria-controls")));
  }

  if (tabs.length) {
    document.querySelector(".tabs").hidden = false;
    panels.forEach((panel, number) => {
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tabs[number].id);
    });
    tabs.forEach((tab, number) => {
      tab.addEventListener("click", () => choose(tab));
      tab.addEventListener("keydown", (event) => {
        const to = { ArrowRight: number + 1, ArrowLeft: number - 1, Home: 0, End: -1 }[event.key];
        if (to !== undefined) {
          event.preventDefault();
          choose(tabs.at(to % tabs.length), true);
        }
      });
    });
    choose(tabs[0]);
  }

  // A click on a heading sorts its column by exact values, a second click reverses the order.
  function sort(table, column, heading) {
    const up = heading.getAttribute("aria-sort") !== "ascending";
    const body = table.tBodies[0];
    const value = (row) => {
      const { value: exact } = row.cells[column].dataset;
      return exact === undefined ? row.cells[column].textContent : Number(exact);
    };
    const order = (a, b) => {
      const [one, other] = [value(a), value(b)];
      if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1; // dashes are last in both orders
      const sign = typeof one === "number" ? one - other : one.localeCompare(other);
      return up ? sign : -sign;
    };
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...[...body.rows].sort(order));
  }

  for (const table of all("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(table, column, heading));
    });
  }

  window.addEventListener("beforeprint", () => panels.filter((panel) => !panel.hidden).forEach(drawIn));

  // Tables are open until the charts are drawn, since paper and browsers without scripts show nothing else. On a screen
  // they would flash, so they are hidden until then.
  document.body.dataset.waiting = "yes";
  const figures = all(".chart details");

  unpacked().then(
    () => {
      for (const details of figures) details.open = false;
      delete document.body.dataset.waiting;
      panels.filter((panel) => !panel.hidden).forEach(drawIn);
      document.body.dataset.ready = "yes";
    },
    () => { // an old browser: tables only
      document.body.classList.add("bare");
      delete document.body.dataset.waiting;
      document.body.dataset.ready = "bare";
    },
  );
})();
