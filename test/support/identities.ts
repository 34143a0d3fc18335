import { Registry } from '../../common/metrics.ts'
import { checkSettings } from '../../common/settings.ts'
import { createIdentities, type Identities } from '../../proxy/identity/identities.ts'
import { IdentitySettings } from '../../proxy/identity/settings.ts'
import { keptLog } from './log.ts'

/** Identities with the settings given, a log that is kept, a clock that the test moves, and the metrics. */
export function identities(settings: object) {
  const log = keptLog()
  const registry = new Registry()
  const clock = { milliseconds: 0 }
  const made: Identities = createIdentities(checkSettings(IdentitySettings, settings), {
    logger: log.logger,
    registry,
    now: () => clock.milliseconds,
  })
  /** The value of a metric with exactly these labels. */
  const metric = async (name: string, labels: Record<string, string>) => {
    const values = (await registry.getSingleMetric(name)!.get()).values
    return values.find((value) => JSON.stringify(value.labels) === JSON.stringify(labels))?.value ?? 0
  }
  return { identities: made, log, clock, metric }
}
