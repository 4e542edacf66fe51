"use strict";
// How images are drawn with an encoder and a decoder, as sampling/refine.py does. Tensors are flat Float32Arrays.
// `model`: about (shape, classes, alpha_max, pixels), and encode, decode: (data, rows, weights) → data.

globalThis.drawing = model => {
  const { about } = model, size = about.shape[0] * about.shape[1], sigma = Math.tan(about.alpha_max * Math.PI / 180);
  const rowsOf = data => data.length / size;

  const spherify = z => {
    const found = new Float32Array(z.length);
    for (let row = 0; row < rowsOf(z); row++) {
      let squares = 0;
      for (let i = row * size; i < (row + 1) * size; i++) squares += z[i] * z[i];
      const factor = 1 / Math.sqrt(squares / size + 1e-6);
      for (let i = row * size; i < (row + 1) * size; i++) found[i] = z[i] * factor;
    }
    return found;
  };
  const turn = (v, noise, scale) => (scale === 0 ? v : spherify(v.map((each, i) => each + scale * noise[i])));

  // What is asked of both networks: weights of the classes, and how strongly (classifier-free guidance).
  const oneHot = (labels, classes = about.classes.length) => {
    const width = classes + 1, found = new Float32Array(labels.length * width);
    labels.forEach((label, row) => { found[row * width + label] = 1; });
    return found;
  };
  const condition = (rows, weights, scale = 1, position = "combo") => {
    const both = Math.sqrt(scale), [enc, dec] = { enc: [scale, 1], dec: [1, scale], combo: [both, both] }[position];
    const null_ = weights && oneHot(Array(rows).fill(about.classes.length));
    return { rows, weights, null_, enc, dec };
  };
  const guided = async (network, data, asked, scale) => {
    const conditional = await network(data, asked.rows, asked.weights);
    if (scale === 1 || !asked.weights) return conditional;
    const plain = await network(data, asked.rows, asked.null_);
    return conditional.map((each, i) => plain[i] + scale * (each - plain[i]));
  };
  const encode = (x, asked) => guided(model.encode, x, asked, asked.enc);
  const decode = async (z, asked) => {
    const found = await guided(model.decode, z, asked, asked.dec);
    return asked.dec === 1 ? found : found.map(each => Math.min(Math.max(each, -1), 1));
  };
  const refine = async (x, asked, noise, scale) => decode(turn(spherify(await encode(x, asked)), noise, scale), asked);
  const strengths = (scheme, refinements, denominator) =>
    Array.from({ length: refinements }, (_, t) => (scheme === "fixed" ? 1 : 1 - (t + 1) / denominator));

  const draws = ({ steps, noise }) => 1 + { shared: Math.min(1, steps - 1), independent: steps - 1, initial: 0 }[noise];
  // Images after each of the steps, from the first draws and the noise of the later ones.
  const generate = async (first, later, asked, { steps, strength, noise }) => {
    const found = [await decode(spherify(first), asked)];
    for (const [t, rho] of strengths(strength, steps - 1, steps).entries()) {
      const e = noise === "initial" ? first : later[noise === "shared" ? 0 : t];
      found.push(await refine(found[t], asked, e, rho * sigma));
    }
    return found;
  };
  const edit = async (images, noise, asked, scheme, sharing, strength, steps) => {
    const found = [images];
    for (const [t, rho] of strengths(scheme, steps, steps + 1).entries()) {
      found.push(await refine(found[t], asked, noise[sharing === "shared" ? 0 : t], rho * strength * sigma));
    }
    return found;
  };

  const corner = (corners, at) => corners.subarray(at * size, (at + 1) * size);
  const mix = (corners, weights) => {
    const found = new Float32Array(size);
    weights.forEach((weight, at) => corner(corners, at).forEach((each, i) => { found[i] += weight * each; }));
    return spherify(found);
  };
  const angle = (a, b) => {
    const length = v => Math.hypot(...v), [la, lb] = [length(a), length(b)];
    const apart = length(a.map((each, i) => each / la - b[i] / lb)), sum = length(a.map((each, i) => each / la + b[i] / lb));
    return 2 * Math.atan2(apart, sum);
  };
  const greatCircle = (start, end, t) => {
    const [a, b] = [spherify(start), spherify(end)], whole = angle(a, b);
    if (whole < 1e-4) return spherify(a.map((each, i) => (1 - t) * each + t * b[i]));
    const [one, other] = [Math.sin((1 - t) * whole), Math.sin(t * whole)];
    return spherify(a.map((each, i) => (one * each + other * b[i]) / Math.sin(whole)));
  };
  // Weights of the corners at each point, and the points: of a line, or row by row of a square.
  const way = (form, points, through, corners) => {
    const line = Array.from({ length: points }, (_, i) => i / (points - 1));
    const weights = form === "line" ? line.map(t => [1 - t, t])
      : line.flatMap(s => line.map(t => [(1 - s) * (1 - t), (1 - s) * t, s * (1 - t), s * t]));
    if (through === "linear") return { weights, points: weights.map(each => mix(corners, each)) };
    if (form === "line") return { weights, points: line.map(t => greatCircle(corner(corners, 0), corner(corners, 1), t)) };
    const side = (from, to, t) => greatCircle(corner(corners, from), corner(corners, to), t);
    return { weights, points: line.flatMap(s => line.map(t => greatCircle(side(0, 2, s), side(1, 3, s), t))) };
  };

  // The first image where the cut says so, else the second.
  const stitch = (first, second, cut) => {
    const side = about.pixels, ofFirst = {
      "left-right": (row, column) => column < Math.floor(side / 2),
      "top-bottom": row => row < Math.floor(side / 2),
      diagonal: (row, column) => column >= row,
      antidiagonal: (row, column) => row + column <= side - 1,
    }[cut];
    return first.map((each, i) => {
      const pixel = i % (side * side);
      return ofFirst(Math.floor(pixel / side), pixel % side) ? each : second[i];
    });
  };
  return { size, oneHot, condition, draws, generate, edit, way, angle, stitch };
};
