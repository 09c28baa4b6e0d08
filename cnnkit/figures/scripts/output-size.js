// The windows of a filter over a padded row, and the size equation with its numbers.
(() => {
  const { define, sizes, number, equals, clamp } = globalThis.cnnFigures;
  const LIMITS = { n: [1, 16], kernel_size: [1, 7], stride: [1, 5], padding: [0, 4], dilation: [1, 3] };
  const LETTERS = { n: "n", kernel_size: "F", stride: "S", padding: "P", dilation: "dilation" };
  const LABELS = { n: "nodes n", kernel_size: "filter F", stride: "stride S", padding: "padding P", dilation: "dilation" };
  const TOP = 8, HIGH = 26, BARS = 240, BESIDE = 26, COLOURS = ["blue", "red", "green"];

  define("output-size", (figure) => {
    const { h, state } = figure;
    const row = figure.controls();
    for (const [name, label] of Object.entries(LABELS)) figure.slider(row, name, label, ...LIMITS[name]);
    const equation = figure.line("equation");
    const say = figure.sentence();
    const remedies = figure.controls();
    // room for what an invalid combination needs, or the drawing would move with every step of a slider
    figure.root.querySelector(".sentence").style.minHeight = "clamp(3em, 48em - 100vw, 4.5em)";
    Object.assign(remedies.style, { alignContent: "flex-start", columnGap: "0.35rem", marginTop: "0.35rem", minHeight: "clamp(1.75rem, 48rem - 100vw, 3.85rem)" });
    const drawing = figure.drawing(null, "Padded row and windows; the arrow keys go from window to window", {
      onMove: (dx, dy) => figure.set({ window: state.window + (dx || dy) }),
    });
    const pitch = () => Math.min(15, BARS / Math.max(1, sizes.outputSize(state)[0]));
    // how wide a node is: all of them fit into the figure, at their own size, so that numbers stay legible
    const side = () => Math.min(26, (figure.root.clientWidth - 36 - BESIDE) / (state.n + 2 * state.padding));
    let width;
    new ResizeObserver(() => figure.root.clientWidth !== width && figure.draw()).observe(figure.root);
    // a bar, or the window whose middle is nearest to a node
    figure.onDrag(drawing, (x, y) => {
      const below = y - TOP - HIGH - 6, middle = sizes.span(state.kernel_size, state.dilation) / 2;
      figure.set({ window: below < 0 ? Math.round((x / side() - middle) / state.stride) : Math.floor(below / pitch()) });
    });

    const node = (j, leftOver) => {
      const { n, padding } = state;
      const inside = j >= 0 && j < n;
      const x = (j + padding) * side() + 2, wide = side() - 2;
      const shapes = [
        h("rect", {
          x, y: TOP, width: wide, height: HIGH - 2, rx: 3,
          fill: inside ? "var(--faint)" : "none",
          stroke: inside ? "currentColor" : "var(--quiet)",
          ...(inside ? {} : { "stroke-dasharray": "3 3" }),
        }),
        h("text", { x: x + wide / 2, y: TOP + HIGH / 2 - 1, ...(wide < 16 ? { style: "font-size: 10px" } : {}) }, inside ? String(j) : "0"),
      ];
      if (j >= n + padding - leftOver)
        shapes.push(h("path", {
          d: `M${x + 2} ${TOP + 2}l${wide - 4} ${HIGH - 6}m0 ${6 - HIGH}l${4 - wide} ${HIGH - 6}`,
          stroke: "var(--red)", "stroke-width": 2,
        }));
      return shapes;
    };

    const bar = (i) => {
      const { kernel_size, stride, dilation, window } = state;
      const y = TOP + HIGH + 13 + i * pitch(), left = i * stride * side() + 1, chosen = i === window;
      const colour = `var(--${COLOURS[i % 3]})`;
      const shapes = Array.from({ length: kernel_size }, (_, k) =>
        h("rect", { x: left + k * dilation * side() + 3, y: y - (chosen ? 5 : 3), width: side() - 6, height: chosen ? 10 : 6, fill: colour }),
      );
      const right = left + sizes.span(kernel_size, dilation) * side();
      shapes.push(h("line", { x1: left + 3, x2: right - 3, y1: y, y2: y, stroke: colour, "stroke-width": 1.5 }));
      shapes.push(h("text", { x: right + 9, y, style: chosen ? "font-weight: bold" : "" }, String(i)));
      return shapes;
    };

    figure.onDraw(() => {
      const { n, kernel_size: F, stride: S, padding: P, dilation } = state;
      const [nodes, leftOver] = sizes.outputSize(state);
      const span = sizes.span(F, dilation), valid = nodes > 0 && leftOver === 0;
      width = figure.root.clientWidth;
      state.window = clamp(state.window, 0, Math.max(0, nodes - 1));

      const shapes = [];
      for (let j = -P; j < n + P; j++) shapes.push(...node(j, nodes ? leftOver : 0));
      if (nodes) {
        const x = state.window * S * side() + 1;
        shapes.push(h("rect", { x, y: TOP - 4, width: span * side(), height: HIGH + 6, rx: 4, fill: "none", stroke: `var(--${COLOURS[state.window % 3]})`, "stroke-width": 3 }));
      }
      for (let i = 0; i < nodes; i++) shapes.push(...bar(i));
      figure.show(drawing, (n + 2 * P) * side() + BESIDE, TOP + HIGH + 12 + Math.max(4, nodes) * pitch(), shapes);

      const covered = dilation > 1 ? `${dilation} · (${F} − 1) + 1` : `${F}`;
      equation.classList.toggle("invalid", !valid);
      equation.textContent = `(n′ − 1) · ${S} + ${covered} = ${n} + 2 · ${P},  n′ ${equals((n + 2 * P - span) / S + 1)}`;
      remedies.replaceChildren();
      if (valid) {
        const taps = Array.from({ length: F }, (_, k) => state.window * S - P + k * dilation);
        const zeros = taps.filter((j) => j < 0 || j >= n).length;
        const where = F === 1 ? `node ${number(taps[0])}`
          : "the nodes " + (dilation > 1 ? taps.map((j) => number(j)).join(", ") : `${number(taps[0])} to ${number(taps.at(-1))}`);
        say(
          `(${nodes} − 1) · ${S} + ${span} = ${n + 2 * P}: ${nodes} output node${nodes > 1 ? "s" : ""}. ` +
          `Output ${state.window} has its window at ${where}` +
          (!zeros ? "." : F === 1 ? ", in the padding." : `; ${zeros} of them ${zeros > 1 ? "lie" : "lies"} in the padding.`),
        );
        return;
      }
      say(
        nodes
          ? `Invalid: ${nodes} window${nodes > 1 ? "s reach" : " reaches"} ${(nodes - 1) * S + span} of the ${n + 2 * P} nodes of the padded row. ` +
            `PyTorch drops the ${leftOver > 1 ? `${leftOver} others` : "other one"} (crossed out) without a word.`
          : `Invalid: the filter covers ${span} nodes, and the padded row has only ${n + 2 * P}.`,
      );
      const near = sizes.nearestFits(state, LIMITS);
      remedies.append("What fits: ");
      for (const [name, values] of Object.entries(near))
        for (const value of values)
          figure.button(remedies, `${LETTERS[name]} = ${value}`, () => {
            figure.set({ [name]: value });
            drawing.focus();
          });
    });
  });
})();
