// Position by position: what the errors of a row add to the gradient of each shared weight.
(() => {
  const { define, sharedGradient, numberGrid, number, factor, equals, clamp } = globalThis.cnnFigures;
  const WIDTH = 320, HEIGHT = 176, UPPER = 38, LOWER = 134, COLOURS = ["blue", "red", "green"];

  define("weight-gradient", (figure) => {
    const { h, state } = figure;
    const { kernel_size: F, stride: S, padding: P } = state;
    const n = state.x.length, last = state.delta.length - 1;
    const colour = (k) => `var(--${COLOURS[k]})`;
    const low = (value) => String(value).replace(/./g, (c) => (c === "-" ? "₋" : String.fromCharCode(0x2080 + Number(c))));

    const edit = figure.drawings();
    const refreshers = ["delta", "x"].map((name) =>
      numberGrid(figure, edit, {
        caption: name === "x" ? "inputs x" : "errors δ",
        read: () => [state[name]],
        write: (_, i, value) => {
          state[name][i] = value;
          figure.draw();
        },
        label: (_, i) => `${name} ${i}`,
        width: "2.55rem",
      }));
    const row = figure.controls();
    row.style.marginTop = "0.5rem";
    figure.slider(row, "i", "position i", 0, last);
    figure.button(row, "Next position", () => figure.set({ i: state.i === last ? 0 : state.i + 1 }));

    const both = figure.drawings();
    const drawing = figure.drawing(both, "Errors above, inputs below; the arrow keys go from position to position", {
      onMove: (dx, dy) => figure.set({ i: state.i + (dx || dy) }),
      caption: "errors δ above, inputs x below, zeros dashed",
    });
    const pitch = WIDTH / (n + 2 * P), radius = Math.min(15, 0.42 * pitch);
    const at = (node) => (node + P + 0.5) * pitch;
    const over = (i) => at(i * S - P + (F - 1) / 2); // an error stands over the middle of its window
    figure.onDrag(drawing, (x) => figure.set({ i: Math.round((x - over(0)) / (S * pitch)) }));
    const table = h("table");
    both.append(table);
    const equation = figure.line("equation");
    equation.append("∂L/∂w", h("sub", {}, "k"), " = Σ", h("sub", {}, "i"), " δ", h("sub", {}, "i"), " · x",
      h("sub", {}, `${S > 1 ? S : ""}i + k${P ? ` − ${P}` : ""}`));
    const say = figure.sentence();

    const node = (x, y, value, chosen, inside = true) => [
      h("circle", {
        cx: x, cy: y, r: radius, fill: chosen ? "var(--faint)" : "var(--paper)",
        stroke: inside ? "currentColor" : "var(--quiet)", "stroke-width": chosen ? 2.5 : 1, ...(inside ? {} : { "stroke-dasharray": "3 3" }),
      }),
      h("text", { x, y, ...(number(value).length > 3 ? { style: "font-size: 10px" } : {}) }, number(value)),
    ];
    const small = (x, y, text) => h("text", { x, y, style: "font-size: 12px; fill: var(--quiet)" }, text);

    figure.onDraw(() => {
      for (const refresh of refreshers) refresh();
      const i = (state.i = clamp(state.i, 0, last)), { x, delta } = state;
      const rows = sharedGradient.contributions(x, delta, state);
      const total = sharedGradient.sums(rows.slice(0, i + 1)), done = i === last;

      const edges = (at_i) => rows[at_i].map((_, k) =>
        h("line", {
          x1: over(at_i), y1: UPPER, x2: at(at_i * S + k - P), y2: LOWER,
          stroke: colour(k), "stroke-width": at_i === i ? 3.5 : 1, opacity: at_i > i ? 0.18 : at_i < i ? 0.6 : 1,
        }));
      const others = rows.flatMap((_, other) => (other === i ? [] : edges(other)));
      const first = i * S - P;
      const shapes = [...others, ...edges(i)];
      delta.forEach((error, j) => shapes.push(...node(over(j), UPPER, error, i === j), small(over(j), UPPER - radius - 10, `δ${low(j)}`)));
      for (let j = -P; j < n + P; j++)
        shapes.push(...node(at(j), LOWER, x[j] ?? 0, j >= first && j < first + F, j in x), small(at(j), LOWER + radius + 10, `x${low(j)}`));
      figure.show(drawing, WIDTH, HEIGHT, shapes);

      const cells = (values, style) => values.map((value, k) => h("td", { style: `color: ${colour(k)}; ${style}` }, value));
      table.replaceChildren(
        h("tr", {}, h("th", { scope: "col" }, "position"), ...total.map((_, k) => h("th", { scope: "col", style: `color: ${colour(k)}` }, `∂L/∂w${low(k)}`))),
        ...rows.map((values, at_i) =>
          h("tr", { style: at_i === i ? "background: var(--faint)" : "" }, h("th", { scope: "row" }, String(at_i)),
            ...cells(at_i > i ? values.map(() => "") : values.map((value) => number(value)), at_i === i ? "font-weight: bold" : ""))),
        h("tr", { style: "border-top: 1px solid" }, h("th", { scope: "row" }, done ? "sum" : "so far"), ...cells(total.map((value) => number(value)), "font-weight: bold")),
      );

      const added = rows[i].map((value, k) =>
        `δ${low(i)} x${low(first + k)} = ${factor(delta[i], 4)} · ${factor(x[first + k] ?? 0, 4)} ${equals(value, 4)} to ∂L/∂w${low(k)}`);
      const terms = (k) => rows.slice(0, i + 1).map((values) => factor(values[k], 4)).join(" + ");
      say(`Position ${i} adds ${added.join(", ")}. ${done ? "All positions together" : "So far"}: ` +
        total.map((value, k) => `∂L/∂w${low(k)} ${i ? `= ${terms(k)} ` : ""}${equals(value, 4)}`).join("; ") + ".");
    });
  });
})();
