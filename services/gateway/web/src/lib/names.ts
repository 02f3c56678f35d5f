// A byte of a name that is not UTF-8 comes as U+10FE00 + byte (files.proto). Control characters and those that turn the
// direction of writing would let a name look like another one.
const ODD = /\p{Cc}|[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]|[\u{10fe80}-\u{10feff}]/gu;

/** A file's name or path to be read by people: what cannot be seen as itself is spelt out. */
export function shownName(name: string): string {
  return name.replace(ODD, (char) => {
    const code = char.codePointAt(0) ?? 0;
    if (code >= 0x10fe80) return `\\x${(code - 0x10fe00).toString(16)}`;
    return char === '\n' ? '\\n' : `\\u{${code.toString(16)}}`;
  });
}
