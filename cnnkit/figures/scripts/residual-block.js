// A residual block drawn as four rows of bars, and how one node's output slides as its branch is switched on.
(() => {
  const { define, residual, numberGrid, number, factor, equals, clamp } = globalThis.cnnFigures;
  const four = (value) => number(value, 4), bracket = (value) => factor(value, 4);
  const WIDTH = 330, LEFT = 24, RIGHT = 270, MOST = 3, UNIT = 12;
  // the middles of the rows of bars: x, alpha F(x), their sum, y
  const ROWS = [50, 162, 264, 374], HEIGHT = 416;
  const PLOT = { width: 310, height: 220, left: 34, right: 296, top: 22, bottom: 182 };

  define("residual-block", (figure) => {
    const { h, state } = figure;
    const n = state.x.length, pitch = (RIGHT - LEFT) / n;
    const row = figure.controls();
    figure.slider(row, "alpha", "branch: α =", 0, 1, 0.05);
    figure.choice(row, "order", "ReLU", [["after", "behind the addition"], ["before", "in front of the branch"]]);
    figure.button(row, "Set negative x to 0", () => figure.set({ x: residual.relu(state.x) }));
    const filters = figure.drawings();
    const refreshers = ["w1", "w2"].map((name, at) =>
      numberGrid(figure, filters, {
        caption: `filter W${"₁₂"[at]}`,
        read: () => [state[name]],
        write: (_, k, value) => {
          state[name][k] = value;
          figure.draw();
        },
        label: (_, k) => `W${at + 1}, weight ${k - 1}`,
        limit: 2,
        width: "2.85rem",
      }));
    filters.style.columnGap = "0.75rem";
    const equation = figure.line("equation");
    const say = figure.sentence();
    // room for its longest form, or the drawings would move while they are dragged: 2 lines, on a phone 5
    figure.root.querySelector(".sentence").style.minHeight = "clamp(3em, 48em - 100vw, 7.5em)";
    const both = figure.drawings();
    const change = (value) => {
      const x = [...state.x];
      x[state.node] = Math.round(10 * clamp(value, -MOST, MOST)) / 10;
      figure.set({ x });
    };
    const rows = figure.drawing(both, "The block's rows; left and right choose a node, up and down change its x", {
      onMove: (dx, dy) => {
        if (dx) figure.set({ node: clamp(state.node + dx, 0, n - 1) });
        else change(state.x[state.node] - dy / 10);
      },
      caption: "Drag a bar of the first row. Dashed: what α = 1 would give.",
    });
    let drags = false;
    figure.onDrag(rows, (x, y, event) => {
      if (event.type === "pointerdown") {
        drags = y < ROWS[0] + MOST * UNIT + 6;
        figure.set({ node: clamp(Math.floor((x - LEFT) / pitch), 0, n - 1) });
      }
      if (drags) change((ROWS[0] - y) / UNIT);
    });
    const plot = figure.drawing(both, "Outputs of the nodes over α", {
      caption: "Dashed: the sum. Thick: y; pale: y of the other nodes. Drag to move α.",
    });
    figure.onDrag(plot, (x) => {
      const alpha = (x - PLOT.left) / (PLOT.right - PLOT.left);
      figure.set({ alpha: Math.round(20 * clamp(alpha, 0, 1)) / 20 });
    });
    const work = figure.line("work");

    // ---------------------------------------------------------------------------------------- the block
    const text = (x, y, words, style = "") => h("text", { x, y, style }, words);
    const path = (d, more = {}) => h("path", { d, fill: "none", stroke: "currentColor", "stroke-width": 1.5, ...more });
    const arrow = (x, y) => path(`M${x - 4} ${y - 7}l4 7l4 -7z`, { fill: "currentColor" });
    const centre = (i) => LEFT + (i + 0.5) * pitch;
    // A value as a bar; one that is too long for its row ends in a point. ghost: where it would be.
    const bar = (value, i, middle, ghost) => {
      const tip = Math.abs(value) > MOST ? (value < 0 ? 5 : -5) : 0;
      const end = middle - clamp(value, -MOST, MOST) * UNIT - tip, half = Math.min(11, pitch / 2 - 3), x = centre(i);
      const shapes = [
        path(`M${x - half} ${middle}V${end}L${x} ${end + tip}L${x + half} ${end}V${middle}z`, {
          fill: `var(--${value < 0 ? "blue" : "orange"})`, stroke: "none",
        }),
      ];
      if (ghost !== undefined && ghost !== value) {
        const to = middle - clamp(ghost, -MOST, MOST) * UNIT;
        shapes.push(path(`M${x - half} ${middle}V${to}H${x + half}V${middle}`, { stroke: "var(--quiet)", "stroke-width": 1, "stroke-dasharray": "3 2" }));
      }
      return shapes;
    };
    const bars = (name, values, ghosts, r) => [
      h("line", { x1: LEFT, x2: RIGHT, y1: ROWS[r], y2: ROWS[r], stroke: "var(--quiet)" }),
      text(LEFT, ROWS[r] - 43, name, "text-anchor: start"),
      ...values.flatMap((value, i) => bar(value, i, ROWS[r], ghosts?.[i])),
      text(RIGHT + 5, ROWS[r] - 10, number(values[state.node], 3), "font-weight: bold; text-anchor: start"),
    ];
    const box = (x, y, width, words) => [
      h("rect", { x: x - width / 2, y: y - 10, width, height: 20, rx: 4, fill: "var(--paper)", stroke: "var(--quiet)" }),
      text(x, y, words, "font-size: 11px"),
    ];
    const drawRows = (found, full, before) => {
      const { x, alpha, node } = state, gap = 98, middle = (LEFT + RIGHT) / 2, side = WIDTH - 8, add = 218;
      const steps = [...(before ? ["ReLU"] : []), "W₁", "ReLU", "W₂", `· ${number(alpha)}`];
      const room = 216 / steps.length;
      figure.show(rows, WIDTH, HEIGHT, [
        h("rect", { x: LEFT, y: 0, width: RIGHT - LEFT, height: ROWS[0] + MOST * UNIT + 6, fill: "transparent", style: "touch-action: none" }),
        h("rect", { x: centre(node) - pitch / 2, y: 4, width: pitch, height: HEIGHT - 8, rx: 4, fill: "var(--faint)" }),
        // the branch goes straight down, the shortcut around it
        path(`M${RIGHT} ${ROWS[0]}H${side}V${add}H${middle + 9}`, { stroke: "var(--green)", "stroke-width": 3 }),
        path(`M${LEFT} ${ROWS[0]}H10V${gap}H${RIGHT - 6}V${gap + 16}`, { "stroke-width": 1 + 2 * alpha, ...(alpha ? {} : { "stroke-dasharray": "3 3" }) }),
        arrow(RIGHT - 6, gap + 22),
        ...steps.flatMap((words, s) => box(LEFT + 6 + room * (s + 0.5), gap, room - 7, words)),
        path(`M${middle} ${add - 14}V${add + 16}`), arrow(middle, add + 22),
        h("circle", { cx: middle, cy: add, r: 9, fill: "var(--paper)", stroke: "currentColor" }),
        text(middle, add, "+", "font-size: 15px"),
        text(side - 3, add - 9, "shortcut", "text-anchor: end; fill: var(--green)"),
        path(`M${middle} ${ROWS[2] + 38}v26`), arrow(middle, ROWS[2] + 70),
        ...(before ? [] : box(middle, ROWS[2] + 50, 46, "ReLU")),
        ...bars("x", x, undefined, 0),
        ...bars("α F(x)", full.branch.map((value) => alpha * value), full.branch, 1),
        ...bars("x + α F(x)", found.sum, full.sum, 2),
        ...bars("y", found.y, full.y, 3),
      ]);
    };

    // ---------------------------------------------------------------------------------------- over alpha
    const drawPlot = (found, full) => {
      const { x, alpha, node, order } = state, { left, right, top, bottom, width, height } = PLOT;
      const most = Math.ceil(Math.max(MOST, ...full.sum.map(Math.abs)));
      const across = (a) => left + a * (right - left), up = (v) => bottom - ((v + most) / (2 * most)) * (bottom - top);
      const line = (values, more) =>
        h("polyline", { points: values.map(([a, v]) => `${across(a)},${up(v)}`).join(" "), fill: "none", ...more });
      // before the ReLU it is straight; behind it, it has a corner where the sum is 0
      const straight = (i) => [[0, x[i]], [1, full.sum[i]]];
      const output = (i) => {
        if (order === "before") return straight(i);
        const corner = x[i] * full.sum[i] < 0 ? [[x[i] / (x[i] - full.sum[i]), 0]] : [];
        return [[0, x[i]], ...corner, [1, full.sum[i]]].map(([a, v]) => [a, Math.max(0, v)]);
      };
      figure.show(plot, width, height, [
        ...[-most, 0, most].flatMap((v) => [
          h("line", { x1: left, x2: right, y1: up(v), y2: up(v), stroke: v ? "var(--faint)" : "var(--quiet)" }),
          text(left - 14, up(v), number(v)),
        ]),
        ...[0, 0.5, 1].map((a) => text(across(a), bottom + 14, number(a))),
        text((left + right) / 2, bottom + 32, "α"),
        text(left, top - 14, `node ${node}`, "text-anchor: start; font-weight: bold"),
        ...x.map((_, i) => line(output(i), { stroke: "var(--quiet)", "stroke-opacity": 0.4 })),
        line(straight(node), { stroke: "var(--red)", "stroke-width": 1.5, "stroke-dasharray": "5 3" }),
        line(output(node), { stroke: "var(--green)", "stroke-width": 3 }),
        h("line", { x1: across(alpha), x2: across(alpha), y1: top, y2: bottom, stroke: "var(--quiet)", "stroke-dasharray": "2 3" }),
        h("circle", { cx: across(alpha), cy: up(found.sum[node]), r: 5, fill: "var(--paper)", stroke: "var(--red)", "stroke-width": 2 }),
        h("circle", { cx: across(alpha), cy: up(found.y[node]), r: 5, fill: "var(--green)" }),
      ]);
    };

    figure.onDraw(() => {
      for (const refresh of refreshers) refresh();
      const { x, w2, alpha, node, order } = state, before = order === "before";
      const found = residual.block(state), full = residual.block({ ...state, alpha: 1 });
      const start = before ? x : residual.relu(x), f = before ? ["", ""] : ["f(", ")"];
      equation.textContent = before
        ? "y = α F(x) + x,  F(x) = W₂ f(W₁ f(x))"
        : "y = f(α F(x) + x),  F(x) = W₂ f(W₁ x)";
      const sum = `x + α F(x) = ${four(x[node])} + ${number(alpha)} · ${bracket(full.branch[node])} ${equals(found.sum[node], 4)}`;
      say(
        `Node ${node}: ${sum}` +
        (before ? ", and that is y: no ReLU follows. " : ` before the ReLU, y = f(${four(found.sum[node])}) ${equals(found.y[node], 4)} behind it. `) +
        `From α = 0 to α = 1, y slides from ${f.join("x")} = ${four(start[node])} to ${f.join("F(x) + x")} ${equals(full.y[node], 4)}.`,
      );
      const terms = w2.map((weight, k) => `${k ? bracket(weight) : four(weight)} · ${bracket(found.hidden[node + k - 1] ?? 0)}`);
      const differ = x.filter((value, i) => Math.abs(value - found.y[i]) > 1e-9).length;
      work.textContent =
        `y differs from x at ${differ} of the ${n} nodes. The branch at node ${node}: F(x) = ${terms.join(" + ")} ${equals(full.branch[node], 4)}, ` +
        `the weights W₂ times what filter W₁ and the ReLU make of x at nodes ${number(node - 1)}, ${node} and ${node + 1} (0 where there is none).`;
      drawRows(found, full, before);
      drawPlot(found, full);
    });
  });
})();
