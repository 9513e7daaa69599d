// Records the requests and notifications that a client receives, and waits for one of them.

// `seconds`: how long `until` waits.
export function receivedMessages(seconds = 20) {
  const seen = []; // { kind, params }, in order of arrival
  const waiting = new Set();
  const note = (kind, params) => {
    seen.push({ kind, params });
    for (const check of waiting) check();
  };

  // Resolves with the first matching message of this kind that arrives from now on or since `from`.
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
