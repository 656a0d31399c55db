// What is done to every text before it is read, as zoo.wording does it in Python: accents join their letters (NFC), and
// what nobody sees goes: soft hyphens, zero-width spaces, word joiners, byte-order marks, joiners between letters.
const INVISIBLE = /[\u00ad\u200b\u2060\ufeff]|(?<=[\p{L}\p{N}_])[\u200c\u200d](?=[\p{L}\p{N}_])/gu;

export const clean = (text) => text.replace(INVISIBLE, "").normalize("NFC");
