// Cleans every text before it is read, like zoo.wording in Python: accents join their letters (NFC), and invisible
// characters are removed: control characters, soft hyphens, zero-width spaces, word joiners, byte-order marks, marks of
// direction, joiners and variation selectors between letters.
const INVISIBLE =
  /[\x00-\x08\x0e-\x1b\x7f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]|(?<=[\p{L}\p{N}_])[\u200c\u200d\ufe00-\ufe0f](?=[\p{L}\p{N}_])/gu;

export const clean = (text) => text.replace(INVISIBLE, "").normalize("NFC");
