/** What `work` settles with, or `instead` when it takes longer than `patienceMs`; `work` itself goes on. */
export async function withPatience<T>(work: Promise<T>, patienceMs: number, instead: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const impatient = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(instead), patienceMs)
  })
  return Promise.race([work, impatient]).finally(() => clearTimeout(timer))
}
