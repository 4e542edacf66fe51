"use strict";
// Images between the networks, in [-1, 1] and channel by channel, and people: bytes, PNGs, pictures of their own.

globalThis.images = about => {
  const side = about.pixels, plane = side * side, size = 3 * plane;
  const blank = () => Object.assign(document.createElement("canvas"), { width: side, height: side });

  // Drawn images as refine.to_bytes; given ones (`round`) become the bytes that they were made of.
  const toBytes = (image, round = Math.floor) => Uint8ClampedArray.from(image, x => round(255 * Math.min(Math.max(x / 2 + 0.5, 0), 1)));
  const fromBytes = found => Float32Array.from(found, x => x / 127.5 - 1);
  const png = found => {
    const canvas = blank(), data = new ImageData(side, side);
    for (let i = 0; i < plane; i++) data.data.set([found[i], found[i + plane], found[i + 2 * plane], 255], 4 * i);
    canvas.getContext("2d").putImageData(data, 0, 0);
    return canvas.toDataURL("image/png");
  };
  // Addresses that hold a PNG, of each image in `data`.
  const shown = (data, round) => Array.from({ length: data.length / size }, (_, row) =>
    png(toBytes(data.subarray(row * size, (row + 1) * size), round)));

  // The file as data of the model's: the short side resized, the centre cut out, transparency over white.
  const prepared = async file => {
    if (!["image/png", "image/jpeg", "image/webp"].includes(file.type)) throw new Error(`${file.name} is no image that is taken here. Give a PNG, JPEG or WebP.`);
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (!bitmap) throw new Error(`${file.name} is no image that can be read. Give another.`);
    const scale = side / Math.min(bitmap.width, bitmap.height), [width, height] = [bitmap.width * scale, bitmap.height * scale];
    const context = blank().getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, side, side);
    context.imageSmoothingEnabled = about.resize !== "nearest";
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, Math.round((side - width) / 2), Math.round((side - height) / 2), width, height);
    const { data } = context.getImageData(0, 0, side, side), found = new Uint8ClampedArray(size);
    for (let i = 0; i < plane; i++) for (let c = 0; c < 3; c++) found[c * plane + i] = data[4 * i + c];
    const exact = bitmap.width === side && bitmap.height === side && about.stored !== "jpeg";
    return { image: fromBytes(found), file: file.name, before: [],
      notes: exact ? [] : [`${file.name}: prepared by the browser, so that pixels may differ from the verb's by more.`] };
  };
  return { toBytes, fromBytes, shown, prepared };
};
