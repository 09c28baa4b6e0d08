// The core of the figures that react: their element, state, controls, drawing helpers, live sentence and keys.
//
// A classic script without imports, so that it runs from file:// and inside a notebook's output. Every output carries
// it; the first one on a page counts. It must not contain a closing script tag.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.define) return;

  // ------------------------------------------------------------------------------------------ elements
  const SVG = new Set(["svg", "g", "rect", "circle", "line", "path", "polyline", "text", "title"]);

  // An element: h("rect", { x: 1, class: "node" }), h("p", {}, "text", h("b", {}, "more")).
  const h = (tag, attributes = {}, ...children) => {
    const element = SVG.has(tag)
      ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // ------------------------------------------------------------------------------------------ numbers and colours
  // A number as one writes it: a real minus sign, no zeros at the end, no -0.
  figures.number = (value, digits = 2) => String(+value.toFixed(digits) || 0).replace("-", "−");

  // A factor or a summand: in parentheses if it is negative.
  figures.factor = (value, digits = 2) => {
    const text = figures.number(value, digits);
    return text.startsWith("−") ? `(${text})` : text;
  };

  // Below zero blue, zero the page's own colour, above zero orange; pale enough to write on.
  figures.tint = (value, limit) => {
    const share = limit > 0 ? Math.round(65 * Math.min(1, Math.abs(value) / limit)) : 0;
    return `color-mix(in srgb, var(--${value < 0 ? "blue" : "orange"}) ${share}%, var(--paper))`;
  };

  figures.clamp = (value, low, high) => Math.max(low, Math.min(high, value));

  // ------------------------------------------------------------------------------------------ looks
  const STYLE = `
    .figure {
      --ink: var(--pst-color-text-base, var(--jp-content-font-color1, #222));
      --paper: var(--pst-color-background, var(--jp-layout-color0, #fff));
      --quiet: color-mix(in srgb, var(--ink) 72%, var(--paper));
      --faint: color-mix(in srgb, var(--ink) 12%, var(--paper));
      --blue: #0072b2; --orange: #e69f00; --red: #c04a00; --green: #00795a;
      box-sizing: border-box; max-width: 46rem; padding: 0.75rem 1rem; color: var(--ink); background: var(--paper);
      border: 1px solid color-mix(in srgb, var(--ink) 35%, var(--paper)); border-radius: 0.5rem;
      font: 0.95rem/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums;
    }
    .figure.dark { --blue: #56b4e9; --red: #ff8c42; --green: #2fc79a; }
    .controls { display: flex; flex-wrap: wrap; gap: 0.35rem 1.25rem; align-items: center; margin-bottom: 0.5rem; }
    label { display: inline-flex; gap: 0.5rem; align-items: center; }
    label output { min-width: 1.4em; }
    input, select, button { font: inherit; color: inherit; min-height: 1.75rem; accent-color: var(--blue); }
    input[type="range"] { width: 7.5rem; }
    input[type="number"] { width: 3.6rem; }
    select, button, input[type="number"] {
      background: var(--paper); border: 1px solid var(--quiet); border-radius: 0.3rem; padding: 0 0.5rem;
    }
    button { cursor: pointer; }
    button:hover { background: var(--faint); }
    button[aria-pressed="true"] { background: var(--blue); color: var(--paper); }
    :focus-visible { outline: 3px solid var(--blue); outline-offset: 2px; }
    .drawings { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; align-items: flex-start; }
    .drawing { margin: 0; max-width: 100%; }
    .drawing figcaption { width: 0; min-width: 100%; font-size: 0.85rem; color: var(--quiet); }
    svg { display: block; max-width: 100%; height: auto; touch-action: manipulation; }
    svg text { fill: currentColor; font: 12px system-ui, sans-serif; text-anchor: middle; dominant-baseline: central; }
    .equation { margin: 0.35rem 0; font-size: 1.05rem; }
    .sentence { margin: 0.35rem 0 0; min-height: 3em; }
    .invalid { color: var(--red); }
    table { border-collapse: collapse; }
    th, td { padding: 0.1rem 0.6rem; text-align: right; font-weight: normal; }
    th { color: var(--quiet); }`;

  const isDark = (element) => {
    const [r, g, b] = getComputedStyle(element).color.match(/[\d.]+/g).map(Number);
    return r + g + b > 382;
  };

  // ------------------------------------------------------------------------------------------ one figure
  const KEYS = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    Home: [-Infinity, 0], End: [Infinity, 0], PageUp: [0, -Infinity], PageDown: [0, Infinity],
  };

  // What a figure's script gets to work with.
  const makeFigure = (host, state) => {
    const root = h("div", { class: "figure", role: "group", "aria-label": host.getAttribute("aria-label") });
    const refreshers = [];
    let draw = () => {};
    const append = (parent, ...children) => (parent ?? root).append(...children);
    const figure = {
      h, root, state,

      // Change the state, then show it.
      set(changes) {
        Object.assign(state, changes);
        figure.draw();
      },
      draw() {
        draw();
        for (const refresh of refreshers) refresh();
      },
      // Called whenever the state has changed; it may also correct it.
      onDraw(action) {
        draw = action;
      },

      // A row for controls.
      controls() {
        const row = h("div", { class: "controls" });
        root.append(row);
        return row;
      },
      slider(row, name, label, low, high, step = 1) {
        const input = h("input", { type: "range", min: low, max: high, step });
        const output = h("output");
        input.addEventListener("input", () => figure.set({ [name]: Number(input.value) }));
        refreshers.push(() => {
          input.value = state[name];
          output.textContent = figures.number(state[name]);
        });
        append(row, h("label", {}, label, input, output));
        return input;
      },
      choice(row, name, label, options) {
        const select = h("select", {}, ...options.map(([value, text]) => h("option", { value }, text)));
        const values = Object.fromEntries(options.map(([value]) => [String(value), value]));
        select.addEventListener("change", () => figure.set({ [name]: values[select.value] }));
        refreshers.push(() => (select.value = state[name]));
        append(row, h("label", {}, label, select));
        return select;
      },
      checkbox(row, name, label) {
        const input = h("input", { type: "checkbox" });
        input.addEventListener("change", () => figure.set({ [name]: input.checked }));
        refreshers.push(() => (input.checked = state[name]));
        append(row, h("label", {}, input, label));
        return input;
      },
      button(row, text, action) {
        const button = h("button", { type: "button" }, text);
        button.addEventListener("click", action);
        append(row, button);
        return button;
      },

      // A row for drawings that stand side by side where there is room.
      drawings() {
        const row = h("div", { class: "drawings" });
        root.append(row);
        return row;
      },
      // A picture. With onMove(dx, dy, event) it takes the focus, and arrow keys, Home and End move something in it;
      // other keys go to onKey(key), which returns true if it took them.
      drawing(parent, label, { onMove, onKey, caption } = {}) {
        const svg = h("svg", { "aria-label": label, role: onMove ? "application" : "img" });
        const box = h("figure", { class: "drawing" }, svg);
        if (caption) box.append(h("figcaption", {}, caption));
        if (onMove) {
          svg.setAttribute("tabindex", "0");
          svg.setAttribute("aria-roledescription", "drawing that the arrow keys move");
          svg.addEventListener("keydown", (event) => {
            if (event.altKey || event.ctrlKey || event.metaKey) return;
            const step = KEYS[event.key];
            if (step) onMove(...step);
            else if (!onKey?.(event.key)) return;
            event.preventDefault();
            event.stopPropagation(); // JupyterLab moves between cells by the same keys
          });
        }
        append(parent, box);
        return svg;
      },
      // Show shapes in a drawing of this size; the drawing shrinks with the page, and so do its units.
      show(svg, width, height, shapes) {
        svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
        svg.setAttribute("width", width);
        svg.setAttribute("height", height);
        svg.replaceChildren(...shapes);
      },
      // Where a pointer is, in the drawing's units.
      at(svg, event) {
        const box = svg.getBoundingClientRect();
        const scale = svg.viewBox.baseVal.width / box.width;
        return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      },
      // Call action(x, y, event) when the pointer is pressed, or moved while it is pressed. A finger that moves up or
      // down scrolls the page; a drawing that wants this movement, too, sets touchAction to "none" afterwards.
      onDrag(svg, action) {
        svg.style.touchAction = "pan-y";
        const go = (event) => action(...figure.at(svg, event), event);
        svg.addEventListener("pointerdown", (event) => {
          if (event.isPrimary && event.button === 0) {
            svg.setPointerCapture(event.pointerId);
            go(event);
          }
        });
        svg.addEventListener("pointermove", (event) => event.buttons & 1 && go(event));
      },

      // A line of text of its own.
      line(name) {
        const line = h("p", { class: name });
        root.append(line);
        return line;
      },
      // The sentence that spells out what the drawing shows; screen readers read it when it changes.
      sentence() {
        const line = figure.line("sentence");
        line.setAttribute("role", "status");
        return (text) => {
          if (line.textContent !== text) line.textContent = text;
        };
      },
    };
    return figure;
  };

  // ------------------------------------------------------------------------------------------ elements of figures
  // Make <cnn-kind> a figure: setup(figure) builds its controls and drawings once.
  figures.define = (kind, setup) => {
    const name = `cnn-${kind}`;
    // A later output of the same kind: its element was there before its state, so it has not started.
    if (customElements.get(name)) return document.querySelectorAll(name).forEach((element) => element.start());
    customElements.define(
      name,
      class extends HTMLElement {
        connectedCallback() {
          this.start();
        }
        start() {
          const source = this.querySelector('script[type="application/json"]');
          if (this.shadowRoot || !source) return;
          const shadow = this.attachShadow({ mode: "open" });
          const figure = makeFigure(this, JSON.parse(source.textContent));
          shadow.append(h("style", {}, STYLE), figure.root);
          setup(figure);
          figure.draw();
          const look = () => figure.root.classList.toggle("dark", isDark(figure.root));
          look();
          const watcher = new MutationObserver(look);
          for (const page of [document.documentElement, document.body]) watcher.observe(page, { attributes: true });
          this.state = figure.state;
        }
      },
    );
  };
})();
