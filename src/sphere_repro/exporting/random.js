"use strict";
// The same draws as in Python: a seed from its parts by SHA-256, torch's Mersenne Twister, its way to normal numbers.

globalThis.draws = (() => {
  const rotated = (word, by) => (word >>> by) | (word << (32 - by));
  const primes = (() => {
    const found = [];
    for (let n = 2; found.length < 64; n++) if (found.every(p => n % p)) found.push(n);
    return found;
  })();
  const fraction = x => ((x - Math.floor(x)) * 2 ** 32) >>> 0;
  const K = primes.map(p => fraction(Math.cbrt(p))), H = primes.slice(0, 8).map(p => fraction(Math.sqrt(p)));

  // FIPS 180-4; the browser's own is not there on a page without https.
  const sha256 = content => {
    const blocks = Math.ceil((content.length + 9) / 64), padded = new Uint8Array(64 * blocks), view = new DataView(padded.buffer);
    padded.set(content);
    padded[content.length] = 0x80;
    view.setUint32(padded.length - 4, content.length * 8);
    const hash = Uint32Array.from(H), w = new Uint32Array(64);
    for (let block = 0; block < blocks; block++) {
      for (let t = 0; t < 64; t++) {
        if (t < 16) { w[t] = view.getUint32(64 * block + 4 * t); continue; }
        const a = w[t - 15], b = w[t - 2];
        w[t] = w[t - 16] + (rotated(a, 7) ^ rotated(a, 18) ^ (a >>> 3)) + w[t - 7] + (rotated(b, 17) ^ rotated(b, 19) ^ (b >>> 10));
      }
      let [a, b, c, d, e, f, g, h] = hash;
      for (let t = 0; t < 64; t++) {
        const one = (h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + ((e & f) ^ (~e & g)) + K[t] + w[t]) | 0;
        const two = ((rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
      }
      [a, b, c, d, e, f, g, h].forEach((word, at) => { hash[at] += word; });
    }
    return hash;
  };

  // Low 32 bits of seeds.derive(*parts), all that the generator takes: words are text, whole numbers numbers.
  const seed = parts => {
    const text = parts.map(part => `${typeof part === "number" ? "int" : "str"}:${part}`).join("\x1f");
    const [high, low] = sha256(new TextEncoder().encode(text));
    return ((low >>> 1) | (high << 31)) >>> 0;
  };

  // MT19937 (Matsumoto and Nishimura 1998); gives the next 32 bits.
  const twister = start => {
    const state = new Uint32Array(624);
    state[0] = start;
    for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    let at = 624;
    return () => {
      if (at === 624) {
        for (let i = 0; i < 624; i++) {
          const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
          state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
        }
        at = 0;
      }
      let y = state[at++];
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      return (y ^ (y >>> 18)) >>> 0;
    };
  };

  // torch.randn of float32 on the CPU: uniform numbers of 24 bits, by sixteen to normal ones (Box and Muller).
  const normal = (next, size) => {
    if (size < 16) throw new Error("Latents of fewer than 16 numbers are not drawn in the browser.");
    const uniform = () => (next() & 0xffffff) / 2 ** 24, data = Float32Array.from({ length: size }, uniform);
    const sixteen = from => {
      for (let j = from; j < from + 8; j++) {
        const radius = Math.sqrt(-2 * Math.log(1 - data[j])), angle = 2 * Math.PI * data[j + 8];
        data[j] = radius * Math.cos(angle);
        data[j + 8] = radius * Math.sin(angle);
      }
    };
    for (let from = 0; from + 16 <= size; from += 16) sixteen(from);
    if (size % 16) {
      for (let j = size - 16; j < size; j++) data[j] = uniform();
      sixteen(size - 16);
    }
    return data;
  };

  // As refine.sample_noise: `count` draws of `size` numbers for each of the samples, (count, samples · size).
  const noise = (parts, samples, count, size) => {
    const found = Array.from({ length: count }, () => new Float32Array(samples.length * size));
    samples.forEach((sample, row) => {
      const next = twister(seed([...parts, "sample", sample]));
      for (const one of found) one.set(normal(next, size), row * size);
    });
    return found;
  };
  return { seed, noise };
})();
