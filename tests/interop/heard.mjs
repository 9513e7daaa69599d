// What a client is asked and told, for whoever waits for some of it.

// `seconds`: how long anything is waited for.
export function hearing(seconds = 20) {
  const seen = []; // { kind, params }, in order of arrival
  const waiting = new Set();
  const note = (kind, params) => {
    seen.push({ kind, params });
    for (const check of waiting) check();
  };

  // Resolves with the first thing of this kind, from now on or since `from`, that fits.
  const until = (kind, from = seen.length, fits = () => true) =>
    new Promise((resolve, reject) => {
      const check = () => {
        const found = seen.slice(from).find((one) => one.kind === kind && fits(one.params));
        if (!found) return;
        waiting.delete(check);
        clearTimeout(timer);
        resolve(found.params);
      };
      const timer = setTimeout(() => {
        waiting.delete(check);
        const others = seen.slice(from).map((one) => one.kind);
        reject(new Error(`no ${kind} within ${seconds} s; came: ${others.join(", ") || "nothing"}`));
      }, seconds * 1000);
      waiting.add(check);
      check();
    });

  return { seen, note, until };
}
