import { parseQuantity } from '../../security-model/quantity.ts'

/** Cores or bytes; 0 for what is no quantity. */
export function amount(quantity: string): number {
  try {
    return parseQuantity(quantity)
  } catch {
    return 0
  }
}

/** "8Gi" rather than 8589934592; one decimal at most. */
export function bytes(sum: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi']
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, sum)) / 10)))
  return `${Math.round((sum / 1024 ** power) * 10) / 10}${units[power]}`
}
