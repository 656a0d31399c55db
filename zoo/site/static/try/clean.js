// What is done to every text before it is read, as zoo does it in Python.
export function clean(text, input) {
  return text;
}
