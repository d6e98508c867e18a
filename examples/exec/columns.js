// im2col in JavaScript, as a program that speaks the protocol of docs/protocol.md.
//
// Judge: convgate gate --subject "exec:node examples/exec/columns.js"
"use strict";
const fs = require("fs");
const source = Number(process.env.CONVGATE_IN), target = Number(process.env.CONVGATE_OUT);

function read(count) {
  const found = Buffer.alloc(count);
  for (let done = 0; done < count; ) {
    const some = fs.readSync(source, found, done, count - done, null);
    if (some === 0) process.exit(0); // nobody asks any more
    done += some;
  }
  return found;
}

function write(data) {
  for (let done = 0; done < data.length; ) done += fs.writeSync(target, data, done);
}

function receive() {
  const frame = read(16);
  const header = JSON.parse(read(frame.readUInt32LE(4)).toString());
  return [header, read(Number(frame.readBigUInt64LE(8)))];
}

function send(header, body = Buffer.alloc(0)) {
  const text = Buffer.from(JSON.stringify({ arrays: [], ...header }));
  const frame = Buffer.alloc(16);
  frame.write("CVG2");
  frame.writeUInt32LE(text.length, 4);
  frame.writeBigUInt64LE(BigInt(body.length), 8);
  write(Buffer.concat([frame, text, body]));
}

function im2col(shape, item, body, [kh, kw], { stride: [sh, sw], padding: [ph, pw], dilation: [dh, dw] }) {
  if (shape.length !== 4 || Math.min(kh, kw, sh, sw, dh, dw, ...shape.slice(1)) < 1 || Math.min(ph, pw) < 0) return null;
  const [n, c, h, w] = shape;
  const oh = Math.floor((h + 2 * ph - dh * (kh - 1) - 1) / sh) + 1;
  const ow = Math.floor((w + 2 * pw - dw * (kw - 1) - 1) / sw) + 1;
  if (oh < 1 || ow < 1) return null;
  const rows = c * kh * kw, columns = oh * ow * n;
  const out = Buffer.alloc(rows * columns * item);
  for (let row = 0; row < rows; row++) {
    const channel = Math.floor(row / (kh * kw)), i = Math.floor(row / kw) % kh, j = row % kw;
    for (let column = 0; column < columns; column++) {
      const image = column % n, y = Math.floor(column / n / ow), x = Math.floor(column / n) % ow;
      const atY = y * sh - ph + i * dh, atX = x * sw - pw + j * dw;
      if (atY < 0 || atY >= h || atX < 0 || atX >= w) continue; // padding
      const from = (((image * c + channel) * h + atY) * w + atX) * item;
      body.copy(out, (row * columns + column) * item, from, from + item);
    }
  }
  return [out, [rows, columns]];
}

send({ protocol: 2, functions: ["im2col"] });
for (;;) {
  const [request, body] = receive();
  const [call] = request.calls, [{ dtype, shape }] = request.arrays;
  const found = im2col(shape, Number(dtype.slice(2)), body, call.arguments[1].value, call.options);
  if (found === null) send({ replies: [{ error: "ValueError", message: "sizes must be positive and the kernel must fit" }] });
  else send({ replies: [{ outputs: [0] }], arrays: [{ dtype, shape: found[1] }] }, found[0]);
}
