// A photograph under a mask: the window, the nine products and their sum, at the place that is pointed at.
(() => {
  const { define, convolutions, numberGrid, pixels, number, factor, equals, tint, clamp } = globalThis.cnnFigures;
  const SIDE = 308, CELL = 102, ROW = 38, OWN = "my own";

  define("mask", (figure) => {
    const { h, state } = figure;
    const named = () => Object.keys(state.masks).find((name) => String(state.masks[name]) === String(state.mask)) ?? OWN;

    const image = state.image.map((values) => values.map((hundredths) => hundredths / 100));

    const row = figure.controls();
    let chosen = (state.name = named());
    const choice = figure.choice(row, "name", "mask", [...Object.keys(state.masks), OWN].map((name) => [name, name]));
    choice.lastChild.disabled = true; // shown for other weights, never chosen
    figure.slider(row, "stride", "stride S", 1, 4);
    figure.slider(row, "padding", "padding P", 0, 2);

    const move = (dx, dy) => figure.set({ i: state.i + dy, j: state.j + dx });
    const pictures = figure.drawings();
    const input = figure.drawing(pictures, "Input pixels; the arrow keys move the window", { onMove: move, caption: " " });
    const output = figure.drawing(pictures, "Output values; the arrow keys move the window", { onMove: move, caption: " " });
    const below = figure.drawings();
    below.style.marginTop = "0.5rem";
    const refresh = numberGrid(figure, below, {
      caption: "mask w, yours to edit",
      read: () => state.mask,
      write: (a, b, value) => {
        state.mask[a][b] = value;
        figure.draw();
      },
      label: (a, b) => `w(${a}, ${b})`,
    });
    const terms = figure.drawing(below, "The nine products", { caption: "pixel · weight, and the product" });
    const equation = figure.line("equation");
    equation.textContent = "y(i, j) = Σ w(a, b) · x(i S + a − P, j S + b − P),  a, b = 0, 1, 2";
    const say = figure.sentence();

    let drawn, y, shown, sideIn, sideOut;

    // Pictures are drawn anew only when they change; moving the window moves its frames.
    const redraw = () => {
      const { mask, padding: P, stride } = state;
      const key = String([mask, stride, P]);
      if (key === drawn) return;
      drawn = key;
      y = convolutions.convolve(image, mask, state);
      const height = image.length, width = image[0].length;
      sideIn = SIDE / (Math.max(height, width) + 2 * P);
      sideOut = SIDE / Math.max(y.length, y[0].length);
      const padded = Array.from({ length: height + 2 * P }, (_, i) =>
        Array.from({ length: width + 2 * P }, (_, j) => image[i - P]?.[j - P] ?? 0));
      const values = y.flat(), low = Math.min(...values), high = Math.max(...values);
      const limit = Math.max(-low, high), isImage = Math.abs(convolutions.sum(mask) - 1) < 0.01;
      shown = [
        pixels.squares(h, padded, sideIn, pixels.grey),
        pixels.squares(h, y, sideOut, (value) => (isImage ? pixels.grey(value) : tint(value, limit))),
      ];
      if (P) shown[0].append(h("rect", { x: P * sideIn, y: P * sideIn, width: width * sideIn, height: height * sideIn, fill: "none", stroke: "#aaa", "stroke-dasharray": "4 3" }));
      input.nextSibling.textContent = `input x, ${height} × ${width}` + (P ? `, and ${P} zero${P > 1 ? "s" : ""} on each side` : "");
      output.nextSibling.textContent = `output y, ${y.length} × ${y[0].length}, from ${number(low)} to ${number(high)}`;
    };

    const point = (svg, places) =>
      pixels.onPoint(figure, svg, (...at) => {
        const [j, i] = at.map(places);
        if (j !== state.j || i !== state.i) figure.set({ i, j });
      });
    point(input, (v) => Math.round((v / sideIn - 1.5) / state.stride));
    point(output, (v) => Math.floor(v / sideOut));

    figure.onDraw(() => {
      if (state.name !== chosen) state.mask = state.masks[state.name].map((weights) => [...weights]);
      state.name = chosen = named();
      redraw();
      refresh();
      const { mask, stride: S, padding: P } = state;
      const i = (state.i = clamp(state.i, 0, y.length - 1)), j = (state.j = clamp(state.j, 0, y[0].length - 1));
      figure.show(input, SIDE, SIDE, [shown[0],
        ...pixels.frame(h, j * S * sideIn, i * S * sideIn, 3 * sideIn, "var(--orange)")]);
      figure.show(output, SIDE, SIDE, [shown[1], ...pixels.frame(h, j * sideOut, i * sideOut, sideOut, "var(--ink)")]);

      const under = convolutions.windowAt(image, i, j, 3, state), parts = convolutions.products(under, mask);
      const limit = Math.max(...parts.flat().map(Math.abs));
      const term = (a, b) => `${number(under[a][b])} · ${weight(mask[a][b])}`;
      figure.show(terms, 3 * CELL, 3 * ROW, parts.flatMap((line, a) => line.flatMap((part, b) => [
        h("rect", { x: b * CELL + 1, y: a * ROW + 1, width: CELL - 2, height: ROW - 2, rx: 3, fill: tint(part, limit), stroke: "var(--quiet)" }),
        h("text", { x: (b + 0.5) * CELL, y: a * ROW + 11 }, term(a, b)),
        h("text", { x: (b + 0.5) * CELL, y: a * ROW + 27, style: "font-weight: bold" }, number(part, 3)),
      ])));

      const first = i * S - P, left = j * S - P;
      say(`Window at rows ${number(first)} to ${number(first + 2)}, columns ${number(left)} to ${number(left + 2)}: ` +
        `y(${i}, ${j}) = ${parts.flatMap((line, a) => line.map((_, b) => term(a, b))).join(" + ")} ${equals(y[i][j], 4)}.`);
    });

    // A ninth reads better than its decimals.
    const weight = (value) =>
      Math.abs(value * 9 - Math.round(value * 9)) < 1e-9 && !Number.isInteger(value) ? `${number(value * 9)}/9` : factor(value, 4);
  });
})();
