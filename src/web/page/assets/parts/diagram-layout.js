// Where everything of the single-line diagram stands. Two drawings: a lying one with busbars from left to right, and a
// standing one for narrow screens and plants of many units. Never one that is shrunken: units are pixels.

const LEAST = 118;
const WIDE = 160;
const BOX_HEIGHT = 88;
const GAP = 14;
/** Width of "in 100.0, out 100.0 kW". */
const LABEL = 130;

/** The layout for a width: `{kind, width, height, boxes, buses, labels}`. */
export function layOut(parts, width) {
  const lying = layLying(parts, width);
  return lying ?? layStanding(parts, width);
}

function layLying(parts, width) {
  const rows = rowsOf(parts);
  const columns = Math.max(
    spanOf(rows.electricTop) + spanOf(rows.heatTop),
    rows.electricLow.length + rows.heatLow.length,
  );
  const gap = columns > 5 ? GAP : 22;
  const cell = Math.min(WIDE, (width - gap * (columns - 1) - 2) / columns);
  if (cell < LEAST) return null;
  const boxes = [];
  const roomy = spanOf(rows.heatTop) + rows.heatLow.length > 0 ? 22 : 200;
  const grown = Math.min(roomy, Math.max(gap, (width - 2 - columns * cell) / Math.max(1, columns - 1)));
  const pitch = cell + grown;
  placeTop(rows, boxes, { cell, pitch, grown, width });
  placeLow(rows, boxes, { cell, pitch, width });
  return { kind: "lying", width, boxes, ...lyingBuses(boxes, rows, width) };
}

function rowsOf(parts) {
  const pick = (bus, side) => parts.filter((one) => one.bus === bus && one.side === side);
  const order = { grid: 0, battery: 1, load: 2 };
  const low = pick("electric", "sink").sort((a, b) => order[a.kind] - order[b.kind]);
  return {
    electricTop: pick("electric", "source"),
    electricLow: low,
    heatTop: pick("heat", "source"),
    heatLow: pick("heat", "sink"),
  };
}

/** A CHP that gives heat stands between both busbars and takes a column and a half. */
const spanOf = (row) => row.reduce((all, one) => all + (one.heat ? 1.45 : 1), 0);

function placeTop(rows, boxes, { cell, pitch, grown, width }) {
  let x = 1;
  for (const one of rows.electricTop) {
    const wide = one.heat ? cell * 1.45 + grown * 0.45 : cell;
    if (one.heat) x = Math.max(x, Math.min(width - 1 - wide - rows.heatTop.length * pitch, 426));
    boxes.push({ one, x, y: 6, width: wide, height: BOX_HEIGHT });
    x += wide + grown;
  }
  const free = width - 1 - (rows.heatTop.length * pitch - grown);
  const from = Math.min(free, x - grown + 99);
  rows.heatTop.forEach((one, index) =>
    boxes.push({ one, x: from + index * pitch, y: 6, width: cell, height: BOX_HEIGHT }),
  );
}

function placeLow(rows, boxes, { cell, pitch, width }) {
  rows.electricLow.forEach((one, index) =>
    boxes.push({ one, x: 1 + index * pitch, y: 218, width: cell, height: BOX_HEIGHT }),
  );
  const chp = boxes.find((box) => box.one.heat);
  const left = boxes.filter((box) => box.one.bus === "heat").map((box) => box.x);
  const from = Math.max(1 + rows.electricLow.length * pitch, chp ? chp.x + chp.width - cell / 2 : Math.min(...left));
  rows.heatLow.forEach((one, index) =>
    boxes.push({
      one,
      x: Math.min(from + 20 + index * pitch, width - 1 - cell),
      y: 218,
      width: cell,
      height: BOX_HEIGHT,
    }),
  );
}

function lyingBuses(boxes, rows, width) {
  const ends = [];
  for (const box of boxes) {
    const top = box.y < 100;
    const [y1, y2] = top ? [box.y + BOX_HEIGHT, 152] : [158, box.y];
    const at = (x, heat) =>
      ends.push({ box, heat, x1: x, y1: top ? y1 : y2, x2: x, y2: top ? y2 : y1, to: top ? 1 : -1 });
    if (box.one.heat) {
      at(box.x + box.width * 0.23, false);
      at(box.x + box.width * 0.83, true);
    } else at(box.x + box.width / 2, box.one.bus === "heat");
  }
  const electric = extent(ends, false, boxes);
  const heat = rows.heatLow.length + rows.heatTop.length ? extent(ends, true, boxes) : null;
  const [left, right] = [electric[0], heat ? Math.min(electric[1], heat[0] - 24) : electric[1] - 8];
  const buses = [{ bus: "electric", x: left, y: 152, width: right - left, height: 6 }];
  if (heat)
    buses.push({ bus: "heat", x: heat[0], y: 152.5, width: Math.min(width - 1, heat[1] - 8) - heat[0], height: 5.5 });
  const beside = lyingLabels(ends, buses, width);
  const below = buses.map(({ bus, x }) => ({ bus, x: x + (bus === "heat" ? 20 : 0), y: 324, anchor: "start" }));
  return beside.includes(null)
    ? { ends, buses, labels: below, height: 330 }
    : { ends, buses, labels: beside, height: 308 };
}

/** From the leftmost to the rightmost connection, and as far as the boxes on both sides reach. */
function extent(ends, heat, boxes) {
  const xs = ends.filter((end) => end.heat === heat).map((end) => end.x1);
  const own = boxes.filter((box) => !box.one.heat && (box.one.bus === "heat") === heat);
  return [
    Math.min(...xs, ...own.map((box) => box.x)) - (heat ? 20 : 0),
    Math.max(...xs, ...own.map((box) => box.x + box.width)) + 8,
  ];
}

/** Beside the first arrow above each busbar where there is room for words; null where there is none. */
function lyingLabels(ends, buses, width) {
  const above = ends.filter((end) => end.to === 1);
  const room = ({ x1 }) => Math.min(width, ...above.map((end) => end.x1).filter((x) => x > x1)) - x1;
  return buses.map(({ bus, x }) => {
    const own = above.filter((end) => end.heat === (bus === "heat")).sort((a, b) => a.x1 - b.x1);
    if (!own.length) return { bus, x, y: 145, anchor: "start" };
    const free = own.find((end) => room(end) > LABEL + 40);
    return free ? { bus, x: free.x1 + 17, y: 145, anchor: "start" } : null;
  });
}

function layStanding(parts, width) {
  const rows = rowsOf(parts);
  const middle = Math.round(width / 2);
  const cell = Math.min(220, middle - 31);
  const boxes = [];
  const chp = rows.electricTop.find((one) => one.heat);
  const left = [...rows.electricTop.filter((one) => one !== chp), ...(chp ? [chp] : [])];
  const electricRows = Math.max(left.length, rows.electricLow.length);
  const column = (list, from, x) =>
    list.forEach((one, index) =>
      boxes.push({ one, x, y: 4 + (from + index) * 102, width: cell, height: one.heat ? 106 : 90 }),
    );
  column(left, electricRows - left.length, middle - 30 - cell);
  column(rows.electricLow, 0, middle + 30);
  const heatFrom = electricRows + (rows.heatTop.length + rows.heatLow.length ? 0.42 : 0);
  column(rows.heatTop, heatFrom, middle - 30 - cell);
  column(rows.heatLow, heatFrom, middle + 30);
  const heatRows = Math.max(rows.heatTop.length, rows.heatLow.length);
  const height = 4 + (heatFrom + heatRows) * 102 + (chp && !heatRows ? 16 : 0);
  return { kind: "standing", width, height, boxes, ...standingBuses(boxes, middle, electricRows, heatFrom, heatRows) };
}

function standingBuses(boxes, middle, electricRows, heatFrom, heatRows) {
  const ends = boxes.flatMap((box) => {
    const left = box.x < middle;
    const x = left ? box.x + box.width : box.x;
    const end = (y, heat) => ({ box, heat, x1: x, y1: y, x2: left ? middle - 3 : middle + 3, y2: y, to: 1 });
    const y = box.y + 45;
    return box.one.heat ? [end(box.y + 26, false), end(box.y + 92, true)] : [end(y, box.one.bus === "heat")];
  });
  const split = 4 + electricRows * 102 - 24;
  const heatTop = boxes.some((box) => box.one.heat) ? split + 4 : 4 + heatFrom * 102;
  const buses = [
    { bus: "electric", x: middle - 3, y: 10, width: 6, height: (heatRows ? split - 6 : electricRows * 102 - 12) - 10 },
  ];
  if (heatRows)
    buses.push({
      bus: "heat",
      x: middle - 2.5,
      y: heatTop,
      width: 5.5,
      height: (heatFrom + heatRows) * 102 - 8 - heatTop,
    });
  const y = 4 + electricRows * 102 + 16;
  const right = Math.max(...boxes.map((box) => box.x + box.width));
  const at = (bus, dy) => ({ bus, x: right, y: y + dy, anchor: "end" });
  return { ends, buses, labels: heatRows ? [at("electric", -2), at("heat", 14)] : [] };
}
