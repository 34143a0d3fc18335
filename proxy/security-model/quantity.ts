/**
 * Kubernetes quantities ("500m", "2Gi", "1e3") as admins know them, turned into plain numbers (cores, bytes).
 * Settings are the only place that takes them; requests hold numbers.
 */
export const QUANTITY = '^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi|[eE][0-9]{1,2})?$'

const FACTORS: Record<string, number> = {
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
}

/** The number that a quantity stands for. @throws TypeError when it is not a quantity. */
export function parseQuantity(quantity: string | number): number {
  if (typeof quantity === 'number') return quantity
  if (!new RegExp(QUANTITY).test(quantity)) throw new TypeError('not a quantity such as 0.5, 500m or 2Gi')
  const [, digits, suffix] = /^([0-9.]+(?:[eE][0-9]+)?)(.*)$/.exec(quantity)!
  return suffix === '' ? Number(digits) : thousandth(Number(digits) * FACTORS[suffix!]!)
}

/** Takes the rounding error out of 0.1 * 1e-3 and the like: nothing finer than a thousandth is ever meant. */
function thousandth(value: number): number {
  return Math.round(value * 1000) / 1000
}
