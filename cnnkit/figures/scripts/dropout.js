// A small network with dropout: masks drawn, their average beside the scaled network, and one unit's sub-networks.
(() => {
  const { define, averaging, number, clamp } = globalThis.cnnFigures;
  const COLUMNS = [34, 150, 266], RADIUS = 18;
  const HEIGHT = 236, PLOT = { width: 300, height: 236, left: 34, right: 290, top: 12, bottom: 200, most: 4 };
  const four = (value) => value.toFixed(4);

  define("dropout", (figure) => {
    const { h, state } = figure;
    const network = state.network;
    const row = figure.controls();
    for (const [name, label] of [["p_input", "inputs: p ="], ["p_hidden", "hidden units: p ="]])
      // before the slider's own listener: one drawing, of a new mask
      figure.slider(row, name, label, 0.1, 1, 0.05).addEventListener("input", () => (state.samples = 1), true);
    const buttons = figure.controls();
    for (const [text, more] of [["Draw a mask", 1], ["Draw 100", 100], ["Draw 1,000", 1000]])
      figure.button(buttons, text, () => figure.set({ samples: state.samples + more }));
    figure.button(buttons, "Start again", () => figure.set({ samples: 1 }));
    const say = figure.sentence();
    const both = figure.drawings();
    const net = figure.drawing(both, "The network; the arrow keys choose a unit", {
      onMove: (dx, dy) => figure.set({ unit: state.unit + (dy || dx) }),
      caption: "Crossed out: dropped by the last mask. Framed: the chosen unit.",
    });
    const plot = figure.drawing(both, "Outputs of the chosen unit's sub-networks over their net inputs", {
      caption: "Each dot: a sub-network of the chosen unit; its area: how probable it is. (Into the output unit go the hidden outputs with nothing dropped.)",
    });
    const numbers = figure.line("equation");

    // Places of the nodes, from left to right: inputs, hidden units, the output.
    const spread = (count) => Array.from({ length: count }, (_, j) => (HEIGHT * (j + 0.5)) / count);
    const places = [network.x, network.w2, [0]].map((layer, l) => spread(layer.length).map((y) => [COLUMNS[l], y]));
    figure.onDrag(net, (x, y) => {
      const units = [...places[1], ...places[2]];
      const distances = units.map(([a, b]) => (a - x) ** 2 + (b - y) ** 2);
      figure.set({ unit: distances.indexOf(Math.min(...distances)) });
    });

    const link = (from, to, weight, present) =>
      h("line", {
        x1: from[0], y1: from[1], x2: to[0], y2: to[1],
        stroke: present ? `var(--${weight < 0 ? "blue" : "orange"})` : "var(--faint)",
        "stroke-width": present ? 1 + Math.abs(weight) : 1,
        "stroke-dasharray": weight < 0 ? "5 3" : "none",
      });
    const node = ([x, y], value, kept, chosen) => {
      const shapes = [
        h("circle", {
          cx: x, cy: y, r: RADIUS, fill: "var(--paper)", "stroke-width": chosen ? 4 : 1.5,
          stroke: chosen ? "var(--green)" : kept ? "currentColor" : "var(--quiet)",
        }),
        h("text", { x, y, style: kept ? "" : "opacity: 0.55" }, number(value)),
      ];
      if (!kept) shapes.push(h("path", { d: `M${x - 13} ${y - 13}l26 26m0 -26l-26 26`, stroke: "var(--red)", "stroke-width": 2 }));
      return shapes;
    };
    const drawNetwork = (last) => {
      const shapes = [];
      network.w1.forEach((w, j) =>
        w.forEach((weight, i) => shapes.push(link(places[0][i], places[1][j], weight, last.inputs[i] && last.kept[j]))),
      );
      network.w2.forEach((weight, j) => shapes.push(link(places[1][j], places[2][0], weight, last.kept[j])));
      network.x.forEach((x, i) => shapes.push(...node(places[0][i], x, last.inputs[i])));
      last.hidden.forEach((y, j) => shapes.push(...node(places[1][j], y, last.kept[j], state.unit === j)));
      shapes.push(...node(places[2][0], last.output, 1, state.unit === network.w2.length));
      figure.show(net, 300, HEIGHT, shapes);
    };

    // The unit's inputs: those of the network, or for the output what the hidden units give when nothing is dropped.
    const chosenUnit = () => {
      const j = state.unit, ones = network.x.map(() => 1);
      if (j < network.w2.length) return { w: network.w1[j], y: network.x, p: state.p_input, b: network.b1[j] };
      return { w: network.w2, y: averaging.forward(network, ones, ones).hidden, p: state.p_hidden, b: network.b2 };
    };
    const drawUnit = (all, found) => {
      const { width, height, left, right, top, bottom, most } = PLOT;
      const x = (S) => left + ((clamp(S, -most, most) + most) / (2 * most)) * (right - left), y = (O) => bottom - O * (bottom - top);
      const curve = Array.from({ length: 81 }, (_, i) => (i / 40 - 1) * most).map((S) => `${x(S)},${y(averaging.logistic(S))}`);
      const shapes = [
        h("line", { x1: left, x2: right, y1: bottom, y2: bottom, stroke: "var(--quiet)" }),
        h("line", { x1: left, x2: left, y1: top, y2: bottom, stroke: "var(--quiet)" }),
        ...[0, 0.5, 1].map((O) => h("text", { x: left - 15, y: y(O) }, String(O))),
        ...[-4, -2, 0, 2, 4].map((S) => h("text", { x: x(S), y: bottom + 13 }, number(S))),
        h("text", { x: (left + right) / 2, y: bottom + 29 }, "net input S"),
        h("text", { x: left + 44, y: top + 2 }, "output O"),
        h("polyline", { points: curve.join(" "), fill: "none", stroke: "var(--quiet)" }),
        ...all.map((one) => h("circle", { cx: x(one.S), cy: y(one.O), r: Math.max(1.5, 17 * Math.sqrt(one.P)), fill: "var(--blue)", "fill-opacity": 0.45 })),
        h("line", { x1: left, x2: right, y1: y(found.mean), y2: y(found.mean), stroke: "var(--red)", "stroke-width": 1.5, "stroke-dasharray": "6 4" }),
        h("text", { x: right - 14, y: y(found.mean) + (found.mean > 0.5 ? 11 : -11), fill: "var(--red)" }, "E O"),
        h("path", { d: `M${x(found.ES)} ${y(found.scaled) - 8}l8 8l-8 8l-8 -8z`, fill: "var(--green)", stroke: "var(--paper)" }),
      ];
      figure.show(plot, width, height, shapes);
    };

    // Masks that have been drawn are not drawn again: by far the most of the work.
    let settings, last, all;
    const sample = () => {
      const { p_input, p_hidden, seed, samples } = state, now = String([p_input, p_hidden, seed]);
      if (now !== settings) all = averaging.exact(network, p_input, p_hidden);
      if (now !== settings || last.drawn > samples) last = undefined;
      if (last?.drawn !== samples) last = averaging.sample(network, p_input, p_hidden, seed, samples, last);
      settings = now;
    };

    figure.onDraw(() => {
      state.unit = clamp(state.unit, 0, network.w2.length);
      sample();
      const { samples } = state, unit = chosenUnit();
      const subs = averaging.subNetworks(unit.w, unit.y, unit.w.map(() => unit.p), unit.b), found = averaging.means(subs);
      drawNetwork(last);
      drawUnit(subs, found);
      const spreadOf = last.error === null ? "" : ` ± ${four(last.error)}`;
      say(
        `The last mask gives ${four(last.output)}. Mean of ${samples.toLocaleString("en")} mask${samples > 1 ? "s" : ""}: ` +
        `${four(last.mean)}${spreadOf}. Mean over all ${2 ** (network.x.length + network.w2.length)} sub-networks: ${four(all.mean)}. ` +
        `One pass with weights scaled by p: ${four(all.scaled)}.`,
      );
      const name = state.unit < network.w2.length ? `hidden unit ${state.unit}` : "the output unit";
      numbers.textContent =
        `For ${name}, ${subs.length} sub-networks: G = ${four(found.G)}, G′ = ${four(found.rest)}, ` +
        `NWGM = G / (G + G′) = ${four(found.nwgm)} = f(E S) = ${four(found.scaled)} (diamond); E O = ${four(found.mean)} (dashed).`;
    });
  });
})();
