import type { Fault } from './fault.js'

/** kill -9 of the S3 gateway, which stays away for a while. */
export const gateway: Fault = {
  kind: 'gateway',
  weight: 1,
  draw(random) {
    return {
      target: 'gateway',
      parameters: {},
      lastsMs: random.integer(200, 5_000),
      recoversMs: 2_000,
      occupies: ['gateway'],
      async begin(stage) {
        await stage.gateway.kill()
        return () => stage.gateway.start()
      },
    }
  },
}
