// Makes the page live: figures that tell values, tables that sort. Without it, the page reads as it stands.
(() => {
  "use strict";
  const specs = JSON.parse(document.getElementById("figures").textContent);

  // Vega-Lite 6 tells the nearest point's numbers and forgets its words: they are one datum further in.
  const patch = spec => {
    for (const mark of spec.marks.filter(each => each.name.endsWith("_voronoi"))) {
      const told = mark.encode.update.tooltip;
      told.signal = told.signal.replace(/(?<!\.)\bdatum\[/g, "datum.datum[");
    }
    return spec;
  };

  // A figure is drawn again, live, once it comes near the screen; its picture stays for print.
  const draw = async figure => {
    const place = figure.querySelector(".live");
    place.hidden = false;
    try {
      await vegaEmbed(place, specs[figure.dataset.figure],
        {renderer: "svg", actions: false, patch, tooltip: {theme: "page", offsetX: 12}});
      figure.classList.add("drawn");
    } catch (error) {
      place.hidden = true;  // the picture is still there
      throw error;
    }
  };
  const seen = new IntersectionObserver(entries => entries.filter(each => each.isIntersecting).forEach(each => {
    seen.unobserve(each.target);
    draw(each.target);
  }), {rootMargin: "400px"});
  document.querySelectorAll("figure[data-figure]").forEach(figure => seen.observe(figure));

  // Sorting: by number where a column has them, sizes by their bytes; a second click turns the order.
  const UNITS = {B: 1, KB: 1e3, MB: 1e6, GB: 1e9};
  const value = text => {
    const found = text.replace(/[,$+]/g, "").match(/^(?:≤|up to)? ?(-?[\d.]+) ?(B|KB|MB|GB)?\b/);
    return found ? parseFloat(found[1]) * (UNITS[found[2]] || 1) : null;
  };
  const compare = (one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a !== null && b !== null) return a - b;
    if ((a === null) !== (b === null)) return a === null ? 1 : -1;
    return one.localeCompare(other);
  };
  document.querySelectorAll("thead th").forEach(head => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const table = head.closest("table"), place = head.cellIndex, body = table.tBodies[0];
      const down = head.ariaSort === "ascending";
      table.querySelectorAll("th").forEach(each => { each.ariaSort = null; });
      head.ariaSort = down ? "descending" : "ascending";
      const rows = [...body.rows].map((row, index) => ({row, index, text: row.cells[place].textContent.trim()}));
      rows.sort((a, b) => (down ? -1 : 1) * compare(a.text, b.text) || a.index - b.index);
      body.append(...rows.map(each => each.row));
    });
  });

  // On paper nothing stays folded.
  const folded = new Set();
  addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach(each => {
    folded.add(each);
    each.open = true;
  }));
  addEventListener("afterprint", () => { folded.forEach(each => { each.open = false; }); folded.clear(); });
})();
