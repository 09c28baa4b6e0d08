// A filter moved along a row of numbers: what lies under it, each product, and their sum.
(() => {
  const { define, sizes, sliding, numberGrid, number, factor, equals, tint, clamp } = globalThis.cnnFigures;
  const WIDTH = 340, LEFT = 28, CELL = 24, FIELDS = 5;
  // from top to bottom: the row as bars and as numbers, weights, products, sums, and these as bars
  const BARS = 46, X = 50, W = 92, WX = 122, Y = 180, YBARS = 222, HEIGHT = YBARS + BARS + 2;

  define("convolution-1d", (figure) => {
    const { h, state } = figure;
    const n = state.x.length, F = state.w.length;
    const low = (value) => String(value).replace(/./g, (c) => (c === "-" ? "₋" : String.fromCharCode(0x2080 + Number(c))));

    const row = figure.controls();
    figure.slider(row, "stride", "stride S", 1, 3);
    figure.slider(row, "padding", "padding P", 0, 2);
    const both = figure.drawings();
    const drawing = figure.drawing(both, "The row with the filter below it, and the sums; the arrow keys move the filter", {
      onMove: (dx, dy) => figure.set({ i: state.i + (dx || dy) }),
      caption: "inputs x, zeros of the padding dashed; the filter w where it stands; the products; all sums y",
    });
    const right = h("div", { style: "display: grid; gap: 0.5rem; justify-items: start" });
    both.append(right);
    const fields = (name, caption) =>
      numberGrid(figure, right, {
        caption,
        read: () => Array.from({ length: Math.ceil(state[name].length / FIELDS) }, (_, a) => state[name].slice(a * FIELDS, (a + 1) * FIELDS)),
        write: (a, b, value) => {
          state[name][a * FIELDS + b] = value;
          figure.draw();
        },
        label: (a, b) => `${name} ${a * FIELDS + b}`,
      });
    const refreshers = [fields("w", "weights w, yours to edit"), fields("x", "inputs x, also yours")];
    const equation = figure.line("equation");
    right.append(equation);
    const say = figure.sentence();

    let pitch;
    const left = (u) => LEFT + (u + state.padding) * pitch; // of the cell of node u
    const over = (i) => left(i * state.stride - state.padding + (F - 1) / 2); // a sum stands under the middle of its window
    figure.onDrag(drawing, (x) => figure.set({ i: Math.round((x - pitch / 2 - over(0)) / (state.stride * pitch)) }));

    // A number in a box over the place x, as large as fits.
    const cell = (x, y, value, limit, width = pitch, attributes = {}) => {
      const text = number(value);
      return [
        h("rect", { x: x + (pitch - width) / 2 + 1, y, width: width - 2, height: CELL, rx: 3, fill: tint(value, limit), stroke: "var(--quiet)", ...attributes }),
        h("text", { x: x + pitch / 2, y: y + CELL / 2, style: `font-size: ${Math.min(13, (1.8 * width) / Math.max(3.5, text.length))}px` }, text),
      ];
    };
    const small = (x, y, text) => h("text", { x, y, style: "font-size: 11px; fill: var(--quiet)" }, text);

    // Bars from a common line of zero; those that are not marked are pale.
    const bars = (values, x, top, marked) => {
      const high = Math.max(0, ...values), scale = (BARS - 2) / (high - Math.min(0, ...values) || 1), zero = top + high * scale + 1;
      return [
        ...values.map((value, i) => h("rect", {
          x: x(i) + 0.2 * pitch, y: zero - Math.max(0, value) * scale, width: 0.6 * pitch, height: Math.abs(value) * scale,
          fill: `var(--${value < 0 ? "blue" : "orange"})`, opacity: marked(i) ? 1 : 0.4,
        })),
        h("line", { x1: LEFT, x2: left(n + state.padding), y1: zero, y2: zero, stroke: "var(--quiet)" }),
      ];
    };

    figure.onDraw(() => {
      for (const refresh of refreshers) refresh();
      const { x, w, stride: S, padding: P } = state;
      const y = sliding.convolve(x, w, state);
      const i = (state.i = clamp(state.i, 0, y.length - 1));
      const parts = sliding.products(x, w, i, state), first = i * S - P, last = first + F - 1;
      const [, leftOver] = sizes.outputSize({ n, kernel_size: F, stride: S, padding: P });
      const under = (u) => u >= first && u <= last;
      const most = (values) => Math.max(...values.map(Math.abs));
      pitch = Math.min((WIDTH - LEFT) / (n + 2 * P), 34);

      const shapes = [...bars(x, left, 0, under), ...bars(y, over, YBARS, (j) => j === i)];
      [["x", X], ["w", W], ["w x", WX], ["y", Y]].forEach(([text, top]) => shapes.push(small(LEFT / 2 - 2, top + CELL / 2, text)));
      for (let u = -P; u < n + P; u++) {
        const inside = u in x;
        shapes.push(...cell(left(u), X, inside ? x[u] : 0, most(x), pitch, inside ? {} : { "stroke-dasharray": "3 3" }));
        if (inside) shapes.push(small(left(u) + pitch / 2, X + CELL + 8, String(u)));
        if (u >= n + P - leftOver)
          shapes.push(h("path", { d: `M${left(u) + 4} ${X + 3}l${pitch - 8} ${CELL - 6}m0 ${6 - CELL}l${8 - pitch} ${CELL - 6}`, stroke: "var(--red)", "stroke-width": 2 }));
      }
      parts.forEach((part, k) => {
        const at = left(first + k);
        shapes.push(h("line", { x1: at + pitch / 2, y1: WX + CELL, x2: over(i) + pitch / 2, y2: Y, stroke: "var(--ink)", "stroke-width": 1.5 }));
        shapes.push(...cell(at, W, w[k], most(w)), ...cell(at, WX, part, most(parts)));
      });
      shapes.push(h("rect", { x: left(first) - 1, y: X - 3, width: F * pitch + 2, height: WX + CELL - X + 6, rx: 4, fill: "none", stroke: "var(--ink)", "stroke-width": 2 }));
      y.forEach((value, j) => shapes.push(...cell(over(j), Y, value, most(y), Math.min(S * pitch, 40), j === i ? { stroke: "var(--ink)", "stroke-width": 2 } : {}), small(over(j) + pitch / 2, Y + CELL + 8, String(j))));
      figure.show(drawing, WIDTH, HEIGHT, shapes);

      equation.replaceChildren("y", h("sub", {}, "i"), " = Σ", h("sub", {}, "k"), " w", h("sub", {}, "k"), " · x",
        h("sub", {}, `${S > 1 ? S : ""}i + k${P ? ` − ${P}` : ""}`), `,  i = 0${y.length > 1 ? ` to ${y.length - 1}` : ""}`);
      const zeros = parts.filter((_, k) => !(first + k in x)).length;
      const sum = (term) => parts.map((_, k) => term(k)).join(" + ");
      say(`The window of output ${i} covers node${F > 1 ? "s" : ""} ${number(first)}${F > 1 ? ` to ${number(last)}` : ""}` +
        `${zeros ? ` (${zeros} of padding)` : ""}: y${low(i)} = ${sum((k) => `w${low(k)} x${low(first + k)}`)} = ` +
        sum((k) => `${factor(w[k], 4)} · ${factor(x[first + k] ?? 0, 4)}`) +
        `${F > 1 ? ` ${parts.map((part) => equals(part, 4)[0]).sort().at(-1)} ${sum((k) => factor(parts[k], 4))}` : ""} ${equals(y[i], 4)}.` +
        (leftOver ? ` No window reaches the crossed-out node${leftOver > 1 ? "s" : ""}.` : ""));
    });
  });
})();
