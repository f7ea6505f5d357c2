// A tool for Cloister in JavaScript: the shortest line of each text that has any letters.
const PIECE = 1 << 20; // bytes asked for in one read; the host hands out at most this much a call

function read(file) {
  const pieces = [];
  let offset = 0n;
  for (;;) {
    const piece = file.read(offset, PIECE);
    if (piece.length === 0) break;
    pieces.push(piece);
    offset += BigInt(piece.length);
  }
  const bytes = new Uint8Array(Number(offset));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

function ofFile(file) {
  let text;
  try {
    text = read(file);
  } catch {
    // What is thrown becomes the `failure` of the WIT.
    throw { fault: "not-text", file: file.name(), detail: `\`${file.name()}\` is not a text` };
  }
  let best = { file: file.name(), line: 0, characters: 0 };
  text.split("\n").forEach((content, index) => {
    const characters = [...content.trim()].length;
    if (characters > 0 && (best.line === 0 || characters < best.characters)) {
      best = { file: best.file, line: index + 1, characters };
    }
  });
  return best;
}

export const helloJs = { shortest: (files) => files.map(ofFile) };
