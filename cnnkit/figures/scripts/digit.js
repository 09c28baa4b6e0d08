// A sheet to draw a digit on, what LeNet makes of it, and every feature map.
(() => {
  const { define, lenet, number, clamp } = globalThis.cnnFigures;
  const SHEET = 84, PEN = 4.5; // cells: three a pixel of LeNet's image
  const PAD = 280, U = PAD / 28, SEEN = 140, WIDE = 356;
  const LOOK = `.stack { position: relative; }
    .stack canvas { position: absolute; inset: 0; width: 100%; height: 100%; image-rendering: pixelated; }
    .stack svg { position: relative; }
    .stack .pad { cursor: crosshair; }
    .left { width: ${PAD}px; max-width: 100%; }
    .node { margin: 0.35rem 0 0; min-height: 4.5em; }`;

  // Where each layer stands: a feature map of side x side squares of some pixels, so many beside each other; the nodes of a
  // fully connected layer stand in rows as if they were one map.
  const PLACES = [
    { rows: 28, columns: 28, cell: 2, beside: 6, pitch: 60 },
    { rows: 14, columns: 14, cell: 4, beside: 6, pitch: 60 },
    { rows: 10, columns: 10, cell: 4, beside: 8, pitch: 45 },
    { rows: 5, columns: 5, cell: 8, beside: 8, pitch: 45 },
    { rows: 3, columns: 40, cell: 8.9, beside: 1, pitch: 0 },
    { rows: 2, columns: 42, cell: 8.47, beside: 1, pitch: 0 },
  ];
  let bottom = 0;
  PLACES.forEach((place, l) => {
    const { maps, size } = lenet.LAYERS[l];
    place.maps = size > 1 ? maps : 1;
    place.title = `${lenet.LAYERS[l].name}: ` + (size > 1 ? `${maps} maps of ${size} × ${size} nodes` : `${maps} nodes`);
    place.top = bottom + 20;
    bottom = place.top + (Math.ceil(place.maps / place.beside) - 1) * place.pitch + place.rows * place.cell + 5;
  });
  const corner = ({ beside, pitch, top }, map) => [(map % beside) * pitch, top + Math.floor(map / beside) * pitch];
  const below = (digits) => [...String(digits)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");

  // The node of a layer that is nearest to a point of the drawing.
  const nearest = (layer, x, y) => {
    const place = PLACES[layer], { rows, columns, cell, beside, pitch, top, maps } = place;
    const across = pitch ? clamp(Math.floor(x / pitch), 0, beside - 1) : 0;
    const down = pitch ? clamp(Math.floor((y - top) / pitch), 0, Math.ceil(maps / beside) - 1) : 0;
    const map = Math.min(maps - 1, down * beside + across), [left, above] = corner(place, map);
    return {
      layer, map,
      row: clamp(Math.floor((y - above) / cell), 0, rows - 1),
      column: clamp(Math.floor((x - left) / cell), 0, columns - 1),
    };
  };

  define("digit", (figure) => {
    const { h, root, state } = figure;
    const pairs = lenet.weights(state.weights), fields = lenet.fields(), ink = new Uint8Array(SHEET ** 2);
    // the label of what is on the sheet, if known; LeNet's image, whether centred; what each layer holds; what is out of date
    let label = null, seen = null, centred = null, values = null, stale = true;

    // ---------------------------------------------------------------------------------------- the sheet
    // Put 28 x 28 bytes on the sheet; if they are one of the examples, its label is known.
    const put = (text) => {
      const pixels = lenet.bytes(text);
      for (let at = 0; at < ink.length; at++) ink[at] = pixels[Math.floor(at / SHEET / 3) * 28 + Math.floor((at % SHEET) / 3)] ?? 0;
      label = state.examples.find(([, example]) => example === text)?.[0] ?? null;
      stale = true;
      Object.assign(state, { image: text, pen: false });
    };
    const draw = (x, y) => {
      lenet.stroke(ink, SHEET, [state.x * 3, state.y * 3], [x * 3, y * 3], state.rubber ? PEN + 2 : PEN, state.rubber);
      label = null;
      stale = true;
    };
    put(state.image);

    root.append(h("style", {}, LOOK));
    const buttons = figure.controls();
    buttons.style.columnGap = "0.35rem";
    buttons.append("Test digits:");
    const sheetButton = (row, name, text) =>
      figure.button(row, name, () => {
        put(text);
        figure.draw();
      });
    // the first ten are one of each class
    state.examples.forEach(([digit, text], at) => sheetButton(buttons, at < 10 ? `${digit}` : `hard ${digit}`, text));
    const tools = figure.controls();
    sheetButton(tools, "Clear", "");
    figure.checkbox(tools, "rubber", "rubber");
    figure.checkbox(tools, "centred", "centred as MNIST does");

    // ---------------------------------------------------------------------------------------- drawings
    // A drawing over a canvas: the canvas has the pixels, the drawing all else, and the focus.
    const stack = (parent, width, height, text, options) => {
      const svg = figure.drawing(parent, text, options), canvas = h("canvas", { width, height, "aria-hidden": "true" });
      const box = h("div", { class: "stack" });
      svg.replaceWith(box);
      box.append(canvas, svg);
      return [svg, canvas];
    };
    const both = figure.drawings(), left = h("div", { class: "left" });
    both.append(left);
    const [pad, padInk] = stack(left, SHEET, SHEET, "Sheet; the arrow keys move the pen, space puts it down or lifts it", {
      caption: " ",
      onMove: (dx, dy) => {
        const x = clamp(state.x + dx, 0.5, 27.5), y = clamp(state.y + dy, 0.5, 27.5);
        if (state.pen) draw(x, y);
        figure.set({ x, y });
      },
      onKey: (key) => {
        if (key !== " ") return false;
        if (!state.pen) draw(state.x, state.y);
        figure.set({ pen: !state.pen });
        return true;
      },
    });
    pad.classList.add("pad");
    padInk.style.imageRendering = "auto";
    const penLine = left.querySelector("figcaption");
    penLine.setAttribute("aria-live", "polite");
    figure.onDrag(pad, (px, py, event) => {
      const x = clamp(px / U, 0, 28), y = clamp(py / U, 0, 28);
      // a button pressed elsewhere, or a second finger, draws nothing
      if (!pad.hasPointerCapture(event.pointerId)) return;
      if (event.type === "pointerdown") Object.assign(state, { x, y, pen: false });
      draw(x, y);
      figure.set({ x, y });
    });
    pad.style.touchAction = "none"; // here a finger draws
    const pair = h("div", { class: "drawings", style: "column-gap: 10px" });
    left.append(pair);
    const [input, inputInk] = stack(pair, 28, 28, "LeNet's input", { caption: "what LeNet sees" });
    const bars = figure.drawing(pair, "Probabilities of the ten digits", { caption: "probabilities" });

    const [maps, mapsInk] = stack(both, WIDE, Math.ceil(bottom), "Feature maps; the arrow keys go from node to node, Page Down to the next layer", {
      caption: "orange above zero, blue below: what ReLU makes 0; each layer has its own scale",
      onMove: (dx, dy) => go(dx, dy),
    });
    maps.closest("figure").style.width = `${WIDE}px`;
    maps.style.cursor = "pointer";
    const pick = (x, y) => {
      const layer = PLACES.findLastIndex((place) => y >= place.top - 16);
      figure.set(nearest(Math.max(0, layer), x, y));
    };
    figure.onDrag(maps, pick);

    const go = (dx, dy) => {
      const { layer, map, row, column } = state, place = PLACES[layer], { cell, beside } = place, [x, y] = corner(place, map);
      const far = Math.abs(dx + dy) === Infinity, last = PLACES.length - 1;
      const inLayer = (to, down) => nearest(clamp(to, 0, last), x + (column + 0.5) * cell, down ? -Infinity : Infinity);
      if (dx && far) figure.set({ map: dx > 0 ? place.maps - 1 : 0 });
      else if (far) figure.set(inLayer(layer + Math.sign(dy), dy > 0));
      else if (dx && column + dx >= 0 && column + dx < place.columns) figure.set({ column: column + dx });
      else if (dx && map + dx >= 0 && map + dx < place.maps) figure.set({ map: map + dx, column: dx > 0 ? 0 : place.columns - 1 });
      else if (dy && row + dy >= 0 && row + dy < place.rows) figure.set({ row: row + dy });
      else if (dy && map + dy * beside >= 0 && map + dy * beside < place.maps) figure.set({ map: map + dy * beside, row: dy > 0 ? 0 : place.rows - 1 });
      else if (dy && layer + dy >= 0 && layer + dy <= last) figure.set(inLayer(layer + dy, dy > 0));
    };
    const say = figure.sentence();
    const equation = figure.line("equation");
    const node = figure.line("node");
    node.setAttribute("role", "status");

    // ---------------------------------------------------------------------------------------- pixels
    // A colour in the order of a canvas's bytes, less its opacity.
    const colour = (text) => {
      const found = text.match(/[\d.]+/g), [r, g, b] = text.startsWith("#") ? [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)) : found;
      return r | (g << 8) | (b << 16);
    };
    // A function that fills a canvas; its pixels are computed here, so the main memory is the place for them.
    const painter = (canvas) => {
      const context = canvas.getContext("2d", { willReadFrequently: true }), picture = context.createImageData(canvas.width, canvas.height);
      const pixels = new Uint32Array(picture.data.buffer);
      return (fill) => {
        pixels.fill(0);
        fill(pixels);
        context.putImageData(picture, 0, 0);
      };
    };
    const [paintSheet, paintInput, paintMaps] = [padInk, inputInk, mapsInk].map(painter);
    const paintAll = () => {
      const look = getComputedStyle(root), black = colour(look.color);
      const [orange, blue] = ["--orange", "--blue"].map((name) => colour(look.getPropertyValue(name).trim()));
      const grey = (bytes) => (to) => bytes.forEach((value, at) => (to[at] = black | (value << 24)));
      paintSheet(grey(ink));
      paintInput(grey(seen.pixels));
      paintMaps((to) =>
        PLACES.forEach((place, l) => {
          const most = values[l].reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9), { cell } = place;
          for (let map = 0, at = 0; map < place.maps; map++) {
            const [x, y] = corner(place, map);
            for (let i = 0; i < place.rows; i++)
              for (let j = 0; j < place.columns; j++, at++) {
                const value = values[l][at], tone = (value < 0 ? blue : orange) | (Math.round((255 * Math.abs(value)) / most) << 24);
                for (let v = Math.round(y + i * cell); v < Math.round(y + (i + 1) * cell); v++)
                  to.fill(tone, v * WIDE + Math.round(x + j * cell), v * WIDE + Math.round(x + (j + 1) * cell));
              }
          }
        }),
      );
    };
    // the page's colours may change, and the canvases do not follow by themselves
    new MutationObserver(paintAll).observe(root, { attributes: true, attributeFilter: ["class"] });

    // ---------------------------------------------------------------------------------------- shapes
    const frame = (x, y, width, height, attributes) => h("rect", { x, y, width, height, fill: "none", ...attributes });
    const QUIET = { stroke: "var(--quiet)" }, CHOSEN = { stroke: "var(--red)", "stroke-width": 2.5 };

    // A square field, as far as it lies on a sheet of this width; nothing if it does not.
    const cut = (x, y, size, width) => {
      const [a, b, c, d] = [x, y, x + size, y + size].map((value) => clamp(value, 1.5, width - 1.5));
      return c > a && d > b ? [frame(a, b, c - a, d - b, CHOSEN)] : [];
    };
    const showSheet = (field) => {
      const { size, first, top } = field, { scale, left, top: down } = seen, k = PAD / SHEET / scale, s = SEEN / 28;
      figure.show(pad, PAD, PAD, [
        frame(0.5, 0.5, PAD - 1, PAD - 1, QUIET),
        ...cut((first - left) * k, (top - down) * k, size * k, PAD),
        h("circle", { cx: state.x * U, cy: state.y * U, r: ((state.rubber ? PEN + 2 : PEN) / 3) * U, fill: state.pen ? "var(--blue)" : "none", "fill-opacity": 0.5, stroke: "var(--blue)", "stroke-width": 2 }),
      ]);
      figure.show(input, SEEN, SEEN, [frame(0.5, 0.5, SEEN - 1, SEEN - 1, QUIET), ...cut(first * s, top * s, size * s, SEEN)]);
      penLine.textContent = state.pen
        ? `pen down at (${Math.floor(state.y)}, ${Math.floor(state.x)}); space lifts it`
        : "mouse, finger, or arrow keys and space";
    };

    const showBars = (p, best) =>
      figure.show(bars, 130, SEEN, p.flatMap((value, k) => {
        const y = 14 * k, bold = k === best ? "font-weight: bold" : "";
        return [
          h("text", { x: 6, y: y + 7, style: bold }, String(k)),
          h("rect", { x: 16, y: y + 2, width: Math.max(0.5, 74 * value), height: 10, fill: k === best ? "var(--blue)" : "var(--quiet)" }),
          h("text", { x: 128, y: y + 7, style: `text-anchor: end; ${bold}` }, value.toFixed(3)),
        ];
      }));

    // In the layer below, what the chosen node is computed from: rows, columns and maps.
    const windowBelow = () => {
      const { layer, map, row, column } = state;
      if (!layer) return [];
      const under = PLACES[layer - 1], { kernel_size: F, stride, pools } = lenet.LAYERS[layer], { cell, rows, columns } = under;
      const whole = PLACES[layer].maps === 1;
      return Array.from({ length: under.maps }, (_, m) => m).filter((m) => !pools || m === map).map((m) => {
        const [x, y] = corner(under, m);
        return whole ? frame(x, y, columns * cell, rows * cell, { ...CHOSEN, "stroke-width": 1.5 })
          : frame(x + column * stride * cell, y + row * stride * cell, F * cell, F * cell, { ...CHOSEN, "stroke-width": 1.5 });
      });
    };

    // what stays is made once
    const marks = h("g");
    figure.show(maps, WIDE, Math.ceil(bottom), [
      ...PLACES.flatMap((place) => [
        h("text", { x: 0, y: place.top - 9, style: "text-anchor: start" }, place.title),
        ...Array.from({ length: place.maps }, (_, map) => {
          const [x, y] = corner(place, map);
          return frame(x + 0.5, y + 0.5, place.columns * place.cell - 1, place.rows * place.cell - 1, QUIET);
        }),
      ]),
      marks,
    ]);
    const showMarks = () => {
      const place = PLACES[state.layer], { cell } = place, [x, y] = corner(place, state.map);
      const chosen = frame(x + state.column * cell - 2, y + state.row * cell - 2, cell + 4, cell + 4, CHOSEN);
      marks.replaceChildren(...windowBelow(), chosen);
    };

    // ---------------------------------------------------------------------------------------- words
    const sayNode = (field) => {
      const { layer, map, row, column } = state, { name, kernel_size: F, size, pools } = lenet.LAYERS[layer], { rows, columns } = PLACES[layer];
      const at = (map * rows + row) * columns + column, value = values[layer][at];
      const who = size > 1 ? `Node (${row}, ${column}) of map ${map} of ${name}` : `Node ${at} of ${name}`;
      const { first, top, size: r } = field, last = first + r - 1, end = top + r - 1;
      const span = r >= 28 ? "all of LeNet's input" : `rows ${number(top)} to ${number(end)} and columns ${number(first)} to ${number(last)} of LeNet's input`;
      const outside = r < 28 && (top < 0 || first < 0 || end > 27 || last > 27) ? ", part of it padding" : "";
      let sum;
      if (pools) {
        const parts = [0, 1].flatMap((i) => [0, 1].map((j) => Math.max(0, values[layer - 1][(map * 2 * rows + 2 * row + i) * 2 * columns + 2 * column + j])));
        sum = `max(${parts.map((part) => number(part)).join(", ")}) = ${number(value)}, after ReLU`;
      } else {
        const channels = layer ? lenet.LAYERS[layer - 1].maps : 1, count = F * F * channels;
        sum = `Σ w x + b = ${number(value)} over ${count} inputs x; ReLU ${value < 0 ? "makes it 0" : "leaves it"}`;
      }
      equation.textContent = `r = ${fields[layer].text} = ${field.size}`;
      node.textContent = `${who}: ${sum}. It sees ${span}${outside}.`;
    };

    figure.onDraw(() => {
      if (stale || centred !== state.centred) {
        centred = state.centred;
        seen = lenet.centre(ink, SHEET, centred);
        values = lenet.forward(pairs, lenet.normalise(seen.pixels, state.mean, state.std));
        stale = false;
        paintAll();
      }
      const y = values.at(-1), p = lenet.softmax(y), order = [...p.keys()].sort((a, b) => p[b] - p[a]), [best, next] = order;
      const { size, jump, start } = fields[state.layer], spatial = lenet.LAYERS[state.layer].size > 1;
      const field = { size, first: spatial ? start + state.column * jump : start, top: spatial ? start + state.row * jump : start };
      showSheet(field);
      showBars(p, best);
      showMarks();
      sayNode(field);
      const power = (k) => `e^${number(y[k])}`;
      say(
        (ink.some(Boolean) ? "" : "Nothing is drawn, and LeNet still has to name a digit. ") +
          `LeNet says ${best}, with probability p${below(best)} = ${power(best)} / (e^y₀ + … + e^y₉) = ${p[best].toFixed(3)}; ` +
          `next is ${next} with ${power(next)} / (…) = ${p[next].toFixed(3)}.` +
          (label === null ? "" : ` MNIST's label is ${label}${label === best ? "." : ": LeNet is wrong."}`),
      );
    });
  });
})();
