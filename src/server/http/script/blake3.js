// BLAKE3 of the beginning of a file, or of all of it: by it the server says what it has of an upload, and what a file is.

const CHUNK = 1024;
const [START, END, PARENT, ROOT] = [1, 2, 4, 8];
const IV = Int32Array.of(
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
);
const ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

const SCHEDULE = [[...Array(16).keys()]];
while (SCHEDULE.length < 7) SCHEDULE.push(ORDER.map((at) => SCHEDULE.at(-1)[at]));
const o = Int32Array.from(SCHEDULE.flat());
const m = new Int32Array(16);

// The chaining value `cv` becomes that of one block of `length` bytes more, which are in `m`. Written out: it is three times as fast.
function compress(cv, counter, length, flags) {
  let [v0, v1, v2, v3, v4, v5, v6, v7] = cv;
  let [v8, v9, v10, v11] = IV;
  let [v12, v13, v14, v15] = [counter | 0, (counter / 0x100000000) | 0, length, flags];
  for (let r = 0; r < 112; r += 16) {
    v0 = v0 + v4 + m[o[r + 0]] | 0; v12 ^= v0; v12 = v12 >>> 16 | v12 << 16; v8 = v8 + v12 | 0; v4 ^= v8; v4 = v4 >>> 12 | v4 << 20;
    v0 = v0 + v4 + m[o[r + 1]] | 0; v12 ^= v0; v12 = v12 >>> 8 | v12 << 24; v8 = v8 + v12 | 0; v4 ^= v8; v4 = v4 >>> 7 | v4 << 25;
    v1 = v1 + v5 + m[o[r + 2]] | 0; v13 ^= v1; v13 = v13 >>> 16 | v13 << 16; v9 = v9 + v13 | 0; v5 ^= v9; v5 = v5 >>> 12 | v5 << 20;
    v1 = v1 + v5 + m[o[r + 3]] | 0; v13 ^= v1; v13 = v13 >>> 8 | v13 << 24; v9 = v9 + v13 | 0; v5 ^= v9; v5 = v5 >>> 7 | v5 << 25;
    v2 = v2 + v6 + m[o[r + 4]] | 0; v14 ^= v2; v14 = v14 >>> 16 | v14 << 16; v10 = v10 + v14 | 0; v6 ^= v10; v6 = v6 >>> 12 | v6 << 20;
    v2 = v2 + v6 + m[o[r + 5]] | 0; v14 ^= v2; v14 = v14 >>> 8 | v14 << 24; v10 = v10 + v14 | 0; v6 ^= v10; v6 = v6 >>> 7 | v6 << 25;
    v3 = v3 + v7 + m[o[r + 6]] | 0; v15 ^= v3; v15 = v15 >>> 16 | v15 << 16; v11 = v11 + v15 | 0; v7 ^= v11; v7 = v7 >>> 12 | v7 << 20;
    v3 = v3 + v7 + m[o[r + 7]] | 0; v15 ^= v3; v15 = v15 >>> 8 | v15 << 24; v11 = v11 + v15 | 0; v7 ^= v11; v7 = v7 >>> 7 | v7 << 25;
    v0 = v0 + v5 + m[o[r + 8]] | 0; v15 ^= v0; v15 = v15 >>> 16 | v15 << 16; v10 = v10 + v15 | 0; v5 ^= v10; v5 = v5 >>> 12 | v5 << 20;
    v0 = v0 + v5 + m[o[r + 9]] | 0; v15 ^= v0; v15 = v15 >>> 8 | v15 << 24; v10 = v10 + v15 | 0; v5 ^= v10; v5 = v5 >>> 7 | v5 << 25;
    v1 = v1 + v6 + m[o[r + 10]] | 0; v12 ^= v1; v12 = v12 >>> 16 | v12 << 16; v11 = v11 + v12 | 0; v6 ^= v11; v6 = v6 >>> 12 | v6 << 20;
    v1 = v1 + v6 + m[o[r + 11]] | 0; v12 ^= v1; v12 = v12 >>> 8 | v12 << 24; v11 = v11 + v12 | 0; v6 ^= v11; v6 = v6 >>> 7 | v6 << 25;
    v2 = v2 + v7 + m[o[r + 12]] | 0; v13 ^= v2; v13 = v13 >>> 16 | v13 << 16; v8 = v8 + v13 | 0; v7 ^= v8; v7 = v7 >>> 12 | v7 << 20;
    v2 = v2 + v7 + m[o[r + 13]] | 0; v13 ^= v2; v13 = v13 >>> 8 | v13 << 24; v8 = v8 + v13 | 0; v7 ^= v8; v7 = v7 >>> 7 | v7 << 25;
    v3 = v3 + v4 + m[o[r + 14]] | 0; v14 ^= v3; v14 = v14 >>> 16 | v14 << 16; v9 = v9 + v14 | 0; v4 ^= v9; v4 = v4 >>> 12 | v4 << 20;
    v3 = v3 + v4 + m[o[r + 15]] | 0; v14 ^= v3; v14 = v14 >>> 8 | v14 << 24; v9 = v9 + v14 | 0; v4 ^= v9; v4 = v4 >>> 7 | v4 << 25;
  }
  const now = [v0 ^ v8, v1 ^ v9, v2 ^ v10, v3 ^ v11, v4 ^ v12, v5 ^ v13, v6 ^ v14, v7 ^ v15];
  for (let n = 0; n < 8; n++) cv[n] = now[n];
}

const hex = (words) => [...new Uint8Array(words.buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

function parent(left, right, flags) {
  const cv = IV.slice();
  m.set(left);
  m.set(right, 8);
  compress(cv, 0, 64, PARENT | flags);
  return cv;
}

// The words of these bytes, filled up with zeros to a whole block.
function wordsOf(bytes) {
  if (bytes.byteLength % 64 === 0) return new Int32Array(bytes);
  const filled = new Uint8Array(Math.ceil(bytes.byteLength / 64) * 64);
  filled.set(new Uint8Array(bytes));
  return new Int32Array(filled.buffer);
}

// Of the first `length` bytes. `reached` is told how far it has come, and says whether it is still wanted.
export async function blake3(file, length, reached) {
  const STEP = 1024 * CHUNK;
  // Subtrees that are whole, the largest first; the last two are never joined before it is known that more comes.
  const stack = [];
  let chunks = 0;
  let at = 0;
  do {
    const bytes = await file.slice(at, Math.min(length, at + STEP)).arrayBuffer();
    if (bytes.byteLength !== Math.min(length - at, STEP)) throw new Error("it was cut short");
    const words = wordsOf(bytes);
    let from = 0;
    do {
      for (let whole = chunks; whole > 0 && whole % 2 === 0; whole /= 2) {
        const right = stack.pop();
        stack.push(parent(stack.pop(), right, 0));
      }
      const cv = IV.slice();
      const size = Math.min(CHUNK, bytes.byteLength - from);
      const last = Math.max(0, Math.ceil(size / 64) - 1);
      const end = END | (length <= CHUNK ? ROOT : 0);
      for (let block = 0; block <= last; block++) {
        for (let n = 0; n < 16; n++) m[n] = words[from / 4 + 16 * block + n];
        compress(cv, chunks, Math.min(64, size - 64 * block), (block === 0 ? START : 0) | (block === last ? end : 0));
      }
      stack.push(cv);
      chunks += 1;
      from += CHUNK;
    } while (from < bytes.byteLength);
    at += bytes.byteLength;
    if (!reached(at)) return "";
  } while (at < length);
  let right = stack.pop();
  while (stack.length > 0) right = parent(stack.pop(), right, stack.length === 0 ? ROOT : 0);
  return hex(right);
}
