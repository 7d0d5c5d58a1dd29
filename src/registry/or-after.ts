/** What is wanted or, where it takes longer than that, what `otherwise` gives or throws. */
export function orAfter<T>(ms: number, wanted: Promise<T>, otherwise: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      try {
        resolve(otherwise());
      } catch (error) {
        reject(error);
      }
    }, ms);
    wanted.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
