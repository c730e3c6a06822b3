// What is made of an object once, and found again for as long as the object is there.

/** The same function, which makes a value once for each object. What threw is tried again the next time. */
export const madeOnce = <Key extends object, Value extends object | number>(
  make: (key: Key) => Value,
): ((key: Key) => Value) => {
  const made = new WeakMap<Key, Value>();
  return (key) => {
    const before = made.get(key);
    if (before !== undefined) return before;
    const value = make(key);
    made.set(key, value);
    return value;
  };
};
