// Pictures of pixels, for figures that show images.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.pixels) return;

  const grey = (value) => `rgb(${Array(3).fill(Math.round(255 * figures.clamp(value, 0, 1)))})`;

  // Squares of these colours from (x, y) on. One path for all squares of a colour: far fewer elements than squares.
  const squares = (h, rows, side, colour, x = 0, y = 0) => {
    const paths = {};
    rows.forEach((values, i) => values.forEach((value, j) => {
      const fill = colour(value);
      paths[fill] = `${paths[fill] ?? ""}M${x + j * side} ${y + i * side}h${side}v${side}h${-side}z`;
    }));
    return h("g", { "shape-rendering": "crispEdges" }, ...Object.entries(paths).map(([fill, d]) => h("path", { d, fill })));
  };

  // A frame that shows on any colour.
  const frame = (h, x, y, side, colour) =>
    [["var(--paper)", 6], [colour, 3]].map(([stroke, width]) =>
      h("rect", { x, y, width: side, height: side, fill: "none", stroke, "stroke-width": width }));

  // Call action(x, y) for the pointer's place in a drawing, pressed or not.
  const onPoint = (figure, svg, action) => {
    for (const name of ["pointerdown", "pointermove"]) svg.addEventListener(name, (event) => action(...figure.at(svg, event)));
  };

  figures.pixels = { grey, squares, frame, onPoint };
})();
