// Pooling of a small plane, there and back: each window's value, and where its error goes.
(() => {
  const { define, poolings, number, factor, equals, tint, clamp } = globalThis.cnnFigures;
  const SIDE = 144;

  define("pooling", (figure) => {
    const { h, state } = figure;
    const { x } = state, height = x.length, width = x[0].length;

    const row = figure.controls();
    figure.choice(row, "pool", "pooling", [["max", "maximum"], ["average", "average"]]);
    figure.slider(row, "kernel_size", "window F", 1, Math.min(4, height, width));
    figure.slider(row, "stride", "stride S", 1, 4);
    const name = h("span");
    const field = h("input", { type: "number", min: -9, max: 9, step: "any", "aria-label": "value of the chosen node" });
    row.append(h("label", {}, name, field));
    const write = (value) => {
      if (!Number.isFinite(value)) return;
      x[state.u][state.v] = clamp(value, -9, 9);
      figure.draw();
    };
    field.addEventListener("input", () => write(field.valueAsNumber));
    // when it is left, too: by then another node may be the chosen one
    for (const event of ["change", "blur"]) field.addEventListener(event, () => (field.value = x[state.u][state.v]));

    const pictures = figure.drawings();
    pictures.style.gap = "0.5rem 0.75rem";
    const input = figure.drawing(pictures, "Input x; the arrow keys choose a node, digits and minus change it", {
      onMove: (dx, dy) => figure.set({ u: state.u + dy, v: state.v + dx }),
      onKey: (key) => {
        if (!/^[0-9-]$/.test(key)) return false;
        write(key === "-" ? -x[state.u][state.v] : Number(key));
        return true;
      },
      caption: "input x",
    });
    const output = figure.drawing(pictures, "Output y; the arrow keys choose a window", {
      onMove: (dx, dy) => figure.set({ i: state.i + dy, j: state.j + dx }),
      caption: "output y",
    });
    const errors = figure.drawing(pictures, "Errors of the outputs", { caption: "errors δ = ∂L/∂y" });
    const gradient = figure.drawing(pictures, "Gradient of the input", { caption: "gradient ∂L/∂x" });
    const forwards = figure.line("equation"), backwards = figure.line("equation");
    const say = figure.sentence();

    let size;
    for (const svg of [input, gradient])
      figure.onDrag(svg, (a, b) => {
        const side = SIDE / Math.max(height, width);
        figure.set({ u: Math.floor(b / side), v: Math.floor(a / side) });
      });
    for (const svg of [output, errors])
      figure.onDrag(svg, (a, b) => {
        const side = SIDE / Math.max(...size);
        figure.set({ i: Math.floor(b / side), j: Math.floor(a / side) });
      });

    const squares = (rows, limit, winners = () => false, covered = () => true) => {
      const side = SIDE / Math.max(rows.length, rows[0].length);
      return rows.flatMap((values, i) => values.flatMap((value, j) => [
        h("rect", {
          x: j * side + 1, y: i * side + 1, width: side - 2, height: side - 2, rx: 3, stroke: "var(--quiet)",
          ...(covered(i, j) ? { fill: tint(value, limit) } : { fill: "none", "stroke-dasharray": "3 3" }),
        }),
        ...(winners(i, j) ? [h("circle", { cx: (j + 0.5) * side, cy: (i + 0.5) * side, r: Math.min(12, 0.4 * side), fill: "none", stroke: "var(--ink)", "stroke-width": 1.5 })] : []),
        h("text", { x: (j + 0.5) * side, y: (i + 0.5) * side, ...(side < 30 ? { style: "font-size: 11px" } : {}) }, number(value, side < 30 ? 1 : 2)),
      ]));
    };
    const frame = (rows, i, j, F, colour) => {
      const side = SIDE / Math.max(rows.length, rows[0].length);
      return h("rect", { x: j * side + 1, y: i * side + 1, width: F * side - 2, height: F * side - 2, rx: 4, fill: "none", stroke: colour, "stroke-width": 3 });
    };
    const largest = (...matrices) => Math.max(...matrices.flat(2).map(Math.abs));

    figure.onDraw(() => {
      const { pool, kernel_size: F } = state;
      size = poolings.sizeOf(x, state);
      const i = (state.i = clamp(state.i, 0, size[0] - 1)), j = (state.j = clamp(state.j, 0, size[1] - 1));
      const u = (state.u = clamp(state.u, 0, height - 1)), v = (state.v = clamp(state.v, 0, width - 1));
      name.textContent = `x(${u}, ${v})`;
      if (field.getRootNode().activeElement !== field) field.value = x[u][v];

      const y = poolings.forward(x, state);
      const delta = y.map((values, a) => values.map((_, b) => F * F * (a * size[1] + b + 1)));
      const back = poolings.backward(delta, x, state);
      // for each node the windows that send it something: [i, j, error, share]
      const senders = x.map((values) => values.map(() => []));
      const covered = x.map((values) => values.map(() => false));
      delta.forEach((values, a) => values.forEach((error, b) => {
        for (const [[s, t], share] of poolings.shares(x, a, b, state)) senders[s][t].push([a, b, error, share]);
        for (const [s, t] of poolings.windowAt(a, b, state)) covered[s][t] = true;
      }));
      const wins = (a, b) => pool === "max" && senders[a][b].length > 0, inside = (a, b) => covered[a][b];

      const node = (rows) => frame(rows, u, v, 1, "var(--ink)"), window = frame(x, i * state.stride, j * state.stride, F, "var(--red)");
      const limit = largest(x), errorLimit = largest(delta, back), place = (rows) => frame(rows, i, j, 1, "var(--red)");
      figure.show(input, SIDE, SIDE, [...squares(x, limit, wins, inside), node(x), window]);
      figure.show(output, SIDE, SIDE, [...squares(y, limit), place(y)]);
      figure.show(errors, SIDE, SIDE, [...squares(delta, errorLimit), place(y)]);
      figure.show(gradient, SIDE, SIDE, [...squares(back, errorLimit, wins, inside), node(x), window.cloneNode()]);

      const max = pool === "max", part = F > 1 ? `1/${F * F} · ` : "";
      forwards.textContent = `y(i, j) = ${max ? "max" : `${part}Σ`} x(u, v) in the window R(i, j)`;
      backwards.textContent = `∂L/∂x(u, v) = ${max ? "" : part}Σ δ(i, j) over windows ${max ? "whose maximum is" : "that hold"} (u, v)`;

      const values = poolings.windowAt(i, j, state).map(([s, t]) => x[s][t]);
      const [[[s, t]]] = poolings.shares(x, i, j, state), error = `δ(${i}, ${j}) = ${delta[i][j]}`;
      const ties = values.filter((value) => value === y[i][j]).length;
      const forward = max
        ? `y(${i}, ${j}) = max{${values.map((value) => number(value)).join(", ")}} = ${number(y[i][j])}; its error ${error} goes to ` +
          `x(${s}, ${t})${ties > 1 ? `, the first of ${ties} equal maxima` : ""}. `
        : `y(${i}, ${j}) = (${values.map((value) => factor(value)).join(" + ")}) / ${F * F} ${equals(y[i][j])}; of its error ${error} ` +
          `${F > 1 ? `each of the ${F * F} nodes` : "the one node"} gets ${number(delta[i][j] / F ** 2)}. `;
      const got = senders[u][v];
      const tied = y.some((row, a) => row.some((value, b) =>
        value === x[u][v] && poolings.windowAt(a, b, state).some(([s, t]) => s === u && t === v)));
      const parts = got.map(([, , sent, share]) => number(sent * share)).join(" + ");
      const from = got.map(([a, b]) => `(${a}, ${b})`).join(", ");
      say(forward + `Chosen node: ∂L/∂x(${u}, ${v}) = ` + (got.length
        ? `${got.length > 1 ? `${parts} = ` : ""}${number(back[u][v])}, from window${got.length > 1 ? "s" : ""} ${from}.`
        : `0, as ${!covered[u][v] ? "it is in no window" : tied ? "an equal maximum comes first" : "it is the maximum of no window"}.`));
    });
  });
})();
