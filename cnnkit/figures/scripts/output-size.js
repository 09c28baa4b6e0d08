// The windows of a filter over a padded row, and the size equation with its numbers.
(() => {
  const { define, sizes, number, clamp } = globalThis.cnnFigures;
  const LIMITS = { n: [1, 16], kernel_size: [1, 7], stride: [1, 5], padding: [0, 4], dilation: [1, 3] };
  const LABELS = { n: "nodes n", kernel_size: "filter F", stride: "stride S", padding: "padding P", dilation: "dilation" };
  const SIDE = 26, TOP = 8, BARS = 240, COLOURS = ["blue", "red", "green"];

  define("output-size", (figure) => {
    const { h, state } = figure;
    const row = figure.controls();
    for (const [name, label] of Object.entries(LABELS)) figure.slider(row, name, label, ...LIMITS[name]);
    const equation = figure.line("equation");
    const say = figure.sentence();
    const remedies = figure.controls();
    const drawing = figure.drawing(null, "Padded row and windows; the arrow keys go from window to window", {
      onMove: (dx, dy) => figure.set({ window: state.window + (dx || dy) }),
    });
    const pitch = () => Math.min(15, BARS / Math.max(1, sizes.outputSize(state)[0]));
    figure.onDrag(drawing, (x, y) => figure.set({ window: Math.floor((y - TOP - SIDE - 6) / pitch()) }));

    const node = (j, leftOver) => {
      const { n, padding } = state;
      const inside = j >= 0 && j < n;
      const x = (j + padding) * SIDE + 1;
      const shapes = [
        h("rect", {
          x: x + 1, y: TOP, width: SIDE - 2, height: SIDE - 2, rx: 3,
          fill: inside ? "var(--faint)" : "none",
          stroke: inside ? "currentColor" : "var(--quiet)",
          ...(inside ? {} : { "stroke-dasharray": "3 3" }),
        }),
        h("text", { x: x + SIDE / 2, y: TOP + SIDE / 2 - 1 }, inside ? String(j) : "0"),
      ];
      if (j >= n + padding - leftOver)
        shapes.push(h("path", {
          d: `M${x + 3} ${TOP + 2}l${SIDE - 6} ${SIDE - 6}m0 ${6 - SIDE}l${6 - SIDE} ${SIDE - 6}`,
          stroke: "var(--red)", "stroke-width": 2,
        }));
      return shapes;
    };

    const bar = (i) => {
      const { kernel_size, stride, dilation, window } = state;
      const y = TOP + SIDE + 13 + i * pitch(), left = i * stride * SIDE + 1, chosen = i === window;
      const colour = `var(--${COLOURS[i % 3]})`;
      const shapes = Array.from({ length: kernel_size }, (_, k) =>
        h("rect", { x: left + k * dilation * SIDE + 3, y: y - (chosen ? 5 : 3), width: SIDE - 6, height: chosen ? 10 : 6, fill: colour }),
      );
      const right = left + sizes.span(kernel_size, dilation) * SIDE;
      shapes.push(h("line", { x1: left + 3, x2: right - 3, y1: y, y2: y, stroke: colour, "stroke-width": 1.5 }));
      shapes.push(h("text", { x: right + 9, y, style: chosen ? "font-weight: bold" : "" }, String(i)));
      return shapes;
    };

    figure.onDraw(() => {
      const { n, kernel_size: F, stride: S, padding: P, dilation } = state;
      const [nodes, leftOver] = sizes.outputSize(state);
      const span = sizes.span(F, dilation), valid = nodes > 0 && leftOver === 0;
      state.window = clamp(state.window, 0, Math.max(0, nodes - 1));

      const shapes = [];
      for (let j = -P; j < n + P; j++) shapes.push(...node(j, nodes ? leftOver : 0));
      if (nodes) {
        const x = state.window * S * SIDE + 1;
        shapes.push(h("rect", { x, y: TOP - 4, width: span * SIDE, height: SIDE + 6, rx: 4, fill: "none", stroke: `var(--${COLOURS[state.window % 3]})`, "stroke-width": 3 }));
      }
      for (let i = 0; i < nodes; i++) shapes.push(...bar(i));
        figure.show(drawing, Math.max(12 * SIDE, (n + 2 * P) * SIDE + 26), TOP + SIDE + 12 + Math.max(4, nodes) * pitch(), shapes);

      const covered = dilation > 1 ? `${dilation} · (${F} − 1) + 1` : `${F}`;
      equation.classList.toggle("invalid", !valid);
      equation.textContent = `(n′ − 1) · ${S} + ${covered} = ${n} + 2 · ${P}` + (valid ? `,  n′ = ${nodes}` : "");
      remedies.replaceChildren();
      if (valid) {
        const first = state.window * S - P, last = first + span - 1;
        const zeros = Math.max(0, -first) + Math.max(0, last - n + 1);
        say(
          `(${nodes} − 1) · ${S} + ${span} = ${n + 2 * P}: ${nodes} output node${nodes > 1 ? "s" : ""}. ` +
          `Output ${state.window} has its window at the nodes ${number(first)} to ${number(last)}` +
          (dilation > 1 ? `, every ${dilation === 2 ? "second" : "third"} of them` : "") +
          (zeros ? `; ${zeros} of these lie in the padding.` : "."),
        );
        return;
      }
      say(
        nodes
          ? `Invalid: ${nodes} windows reach ${number((nodes - 1) * S + span)} of the ${n + 2 * P} nodes of the padded row, ` +
            `and ${leftOver} ${leftOver > 1 ? "are" : "is"} left over (crossed out). PyTorch drops ${leftOver > 1 ? "them" : "it"} without a word.`
          : `Invalid: the filter covers ${span} nodes, and the padded row has only ${n + 2 * P}.`,
      );
      const near = sizes.nearestFits(state, LIMITS);
      remedies.append("What fits: ");
      for (const [name, values] of Object.entries(near))
        for (const value of values)
          figure.button(remedies, `${LABELS[name]} = ${value}`, () => {
            figure.set({ [name]: value });
            drawing.focus();
          });
    });
  });
})();
