"use strict";
// Draws each chart when it comes into view, in light or dark colours as the reader's system prefers.
// A button of a legend brings one network forward in all charts of its round. Where the page has
// several searches, one of them is shown at a time.
(() => {
  let store; // the figures and tables of the page, after they are unpacked
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const rows = new Map(); // number of a table -> its rows, which are unpacked once
  const views = new Map(); // element of a chart -> its Vega view
  window.nasflow = { views, failed: [] };

  async function unpacked(id) {
    const packed = atob(document.getElementById(id).textContent);
    const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  const ready = (async () => {
    store = JSON.parse(await unpacked("figures"));
    const library = document.createElement("script");
    library.textContent = await unpacked("library");
    document.head.append(library); // allowed, because the Content-Security-Policy names its digest
  })();

  function column({ same, words, at, values }) {
    if (values) return (i) => values[i];
    return words ? (i) => words[at[i]] : () => same;
  }

  function table(name) {
    if (!rows.has(name)) {
      const { count, columns } = store.tables[name];
      const readers = Object.entries(columns).map(([key, packed]) => [key, column(packed)]);
      const row = (_, i) => Object.fromEntries(readers.map(([key, read]) => [key, read(i)]));
      rows.set(name, Array.from({ length: count }, row));
    }
    return rows.get(name);
  }

  function theme() {
    const [ink, soft, line] = dark.matches
      ? ["#e7ebf3", "#a2adc0", "#303948"] : ["#1c2330", "#5b6577", "#dde2ea"];
    const label = { labelColor: soft, titleColor: soft, labelFontSize: 11, titleFontSize: 11, titleFontWeight: 500 };
    return {
      background: "transparent",
      font: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
      view: { stroke: null },
      axis: { ...label, gridColor: line, domainColor: line, tickColor: line },
      axisX: { labelFlush: true },
      legend: { ...label, orient: "top", labelLimit: 160 },
      text: { color: ink },
    };
  }

  // Returns true for a chart that can bring one network forward.
  function focuses({ dataset }) {
    return (store.figures[dataset.figure].spec.params || []).some(({ name }) => name === "focus");
  }

  async function draw(element) {
    try {
      await ready;
      const { spec, data } = store.figures[element.dataset.figure];
      const datasets = Object.fromEntries(Object.entries(data).map(([key, name]) => [key, table(name)]));
      const { view } = await vegaEmbed(
        element,
        { ...spec, datasets, width: "container", autosize: { type: "fit-x", contains: "padding" } },
        { actions: false, renderer: "canvas", ast: true, config: theme(), tooltip: { theme: dark.matches ? "dark" : "light" } },
      );
      views.set(element, view);
      const chapter = element.closest("[data-focus]");
      if (focuses(element) && chapter.dataset.focus) await view.signal("focus", chapter.dataset.focus).runAsync();
    } catch (error) {
      window.nasflow.failed.push(`${element.dataset.figure}: ${error.message}`);
      element.textContent = `This chart cannot be drawn: ${error.message}`;
      element.classList.add("error");
    }
  }

  const waiting = new Set(document.querySelectorAll("[data-figure]"));
  async function once(element) {
    seen.unobserve(element);
    if (waiting.delete(element)) await draw(element);
  }
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) once(target);
  }, { rootMargin: "200px" });
  waiting.forEach((element) => seen.observe(element));

  // While the reader reads, draws the charts further down that are not folded away, so that a print
  // of the page contains them.
  const idle = window.requestIdleCallback || ((call) => setTimeout(call, 200));
  async function ahead() {
    const next = [...waiting].find((element) => element.offsetParent);
    if (next) { await once(next); idle(ahead); }
  }
  idle(ahead);

  dark.addEventListener("change", () => {
    for (const [element, view] of [...views]) { view.finalize(); views.delete(element); draw(element); }
  });

  document.addEventListener("click", ({ target }) => {
    const button = target.closest(".legend button");
    if (!button) return;
    const chapter = button.closest("[data-focus]");
    const on = button.getAttribute("aria-pressed") !== "true";
    chapter.dataset.focus = on ? button.dataset.child : "";
    for (const other of chapter.querySelectorAll(".legend button")) {
      other.setAttribute("aria-pressed", String(on && other === button));
    }
    chapter.querySelector(".legend").classList.toggle("faint", on);
    for (const [element, view] of views) {
      if (focuses(element) && chapter.contains(element)) view.signal("focus", chapter.dataset.focus).runAsync();
    }
  });

  // Opens the round, and shows the search, to which a link leads.
  function open() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const search = target.closest("article.search");
    if (search && search.hidden) show(search.id);
    const chapter = target.closest("details");
    if (chapter) chapter.open = true;
    target.scrollIntoView();
  }

  const chooser = document.getElementById("chooser");
  function show(id) {
    for (const search of document.querySelectorAll("article.search")) search.hidden = search.id !== id;
    for (const link of document.querySelectorAll("nav.parts a[data-part]")) link.hash = `${id}-${link.dataset.part}`;
    if (chooser) chooser.value = id;
  }
  if (chooser) {
    chooser.addEventListener("change", () => show(chooser.value));
    show(chooser.value);
  }
  addEventListener("hashchange", open);
  open();
})();
